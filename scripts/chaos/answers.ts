/** What a client makes of the bytes that it got. */

/** How a request ended for its client. */
export type End =
  | { readonly _tag: "answered"; readonly text: string; readonly tokens: number; readonly backend: string | undefined }
  | { readonly _tag: "failed"; readonly code: string; readonly midway: boolean; readonly details: string | null }
  | { readonly _tag: "left" }
  /** No answer, more than one, or one that can't be read. */
  | { readonly _tag: "amiss"; readonly why: string }

const amiss = (why: string): End => ({ _tag: "amiss", why })

const reading = (read: () => End): End => {
  try {
    return read()
  } catch {
    return amiss("not JSON")
  }
}

/** An answer of `POST /event` that came whole. */
export const readWhole = (text: string): End =>
  reading(() => {
    const { backend, completion, details, error, usage } = JSON.parse(text)
    if (typeof error === "string") return { _tag: "failed", code: error, midway: false, details }
    if (typeof completion !== "string") return amiss("neither a completion nor an error")
    return { _tag: "answered", text: completion, tokens: usage?.completion_tokens, backend }
  })

const eventsIn = (text: string) =>
  text
    .split("\n\n")
    .filter((event) => event.startsWith("data: ") && event !== "data: [DONE]")
    .map((event) => JSON.parse(event.slice(6)))

/** A stream of `POST /event`. */
export const readStream = (text: string): End =>
  reading(() => {
    const events = eventsIn(text)
    const lasts = events.filter(({ done }) => done)
    const last = events.at(-1)
    if (lasts.length !== 1 || last !== lasts[0]) return amiss(`${lasts.length} ends of a stream`)
    if (typeof last.error === "string") return { _tag: "failed", code: last.error, midway: true, details: null }
    const said = events.map(({ delta = "" }) => delta).join("")
    return { _tag: "answered", text: said, tokens: last.completion_tokens, backend: undefined }
  })

/** What comes from `POST /v1/chat/completions` for a text that goes on for longer than anybody stays: a failure. */
export const readFailure = (text: string, streamed: boolean): End =>
  reading(() => {
    const { error } = streamed ? eventsIn(text).at(-1) : JSON.parse(text)
    if (typeof error?.code !== "string") return amiss("an end of a text that has none")
    return { _tag: "failed", code: error.code, midway: streamed, details: streamed ? null : error.message }
  })
