import type { ErrorCode } from "../../src/domain/ErrorCatalogue.ts"
import type { EndpointName } from "./ScriptedBackend.ts"

/** What a client makes of a stream so far. */
export interface Read {
  readonly text: string
  readonly finishReason: string | undefined
  /** The code of the last event of a stream that broke off. */
  readonly error: ErrorCode | undefined
  /** Whether the last thing that came ends the stream. */
  readonly complete: boolean
}

/** A way to ask for a stream, and how its clients read it. Tests of streams hold for each of these. */
export interface Surface {
  readonly name: string
  readonly path: string
  readonly request: object
  /** The backend's endpoint that is asked, and the one after it where there is a fallback. */
  readonly endpoint: Exclude<EndpointName, "models">
  readonly fallback: Exclude<EndpointName, "models"> | undefined
  /** The bytes of a stream of these texts, `masked`. */
  readonly whole: (texts: ReadonlyArray<string>) => string
  /** The bytes with words in place of what changes from one answer to the next. */
  readonly masked: (bytes: string) => string
  readonly read: (bytes: string) => Read
  /** The code that an answer of JSON tells. */
  readonly codeIn: (body: string) => ErrorCode
}

const dataEvent = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`

/** The data of all whole events; comments aren't any. */
const eventsIn = (bytes: string): ReadonlyArray<string> =>
  bytes
    .split("\n\n")
    .slice(0, -1)
    .flatMap((event) => event.split("\n").filter((line) => line.startsWith("data: ")))
    .map((line) => line.slice("data: ".length))

const event: Surface = {
  name: "POST /event",
  path: "/event",
  request: { content: "p", stream: true },
  endpoint: "chat",
  fallback: "completion",
  whole: (texts) =>
    [
      ...texts.map((delta) => dataEvent({ delta, done: false })),
      dataEvent({ delta: "", done: true, completion_tokens: texts.length, finish_reason: "stop" })
    ].join(""),
  masked: (bytes) => bytes,
  read: (bytes) => {
    const events = eventsIn(bytes).map((data) => JSON.parse(data))
    const last = events.at(-1)
    return {
      text: events.map(({ delta = "" }) => delta).join(""),
      finishReason: last?.finish_reason,
      error: last?.error,
      complete: last?.done === true
    }
  },
  codeIn: (body) => JSON.parse(body).error
}

/** What OpenAI's two ways have in common; `said` is what differs in a choice. */
const openAi = (
  surface: Pick<Surface, "name" | "path" | "request" | "endpoint">,
  object: string,
  opening: ReadonlyArray<object>,
  choice: (text: string | undefined, finishReason: string | null) => object,
  said: (choice: Record<string, Record<string, string>>) => unknown
): Surface => {
  const chunk = (choices: ReadonlyArray<object>) =>
    dataEvent({ id: "ID", object, created: 0, model: "koboldcpp/scripted", choices })
  return {
    ...surface,
    fallback: undefined,
    whole: (texts) =>
      [
        ...opening.map((one) => chunk([one])),
        ...texts.map((text) => chunk([choice(text, null)])),
        chunk([choice(undefined, "stop")]),
        "data: [DONE]\n\n"
      ].join(""),
    masked: (bytes) => {
      const [, id = "none", created = "none"] =
        /"id":"([a-z]+-[0-9a-f]{32})",.*?"created":([0-9]{10}),/.exec(bytes) ?? []
      return bytes.replaceAll(id, "ID").replaceAll(`"created":${created}`, '"created":0')
    },
    read: (bytes) => {
      const events = eventsIn(bytes)
      const chunks = events.filter((data) => data !== "[DONE]").map((data) => JSON.parse(data))
      const choices = chunks.flatMap((one) => one.choices ?? [])
      const error = chunks.at(-1)?.error?.code
      return {
        text: choices.map((one) => said(one) ?? "").join(""),
        finishReason: choices.at(-1)?.finish_reason ?? undefined,
        error,
        complete: events.at(-1) === "[DONE]" || error !== undefined
      }
    },
    codeIn: (body) => JSON.parse(body).error.code
  }
}

const chatChoice = (delta: object, finish_reason: string | null) => ({ index: 0, delta, logprobs: null, finish_reason })

const chat = openAi(
  {
    name: "POST /v1/chat/completions",
    path: "/v1/chat/completions",
    request: { model: "m", messages: [{ role: "user", content: "p" }], stream: true },
    endpoint: "chat"
  },
  "chat.completion.chunk",
  [chatChoice({ role: "assistant", content: "" }, null)],
  (content, reason) => chatChoice(content === undefined ? {} : { content }, reason),
  ({ delta }) => delta?.["content"]
)

const completions = openAi(
  {
    name: "POST /v1/completions",
    path: "/v1/completions",
    request: { model: "m", prompt: "p", stream: true },
    endpoint: "completion"
  },
  "text_completion",
  [],
  (text = "", finish_reason) => ({ text, index: 0, logprobs: null, finish_reason }),
  ({ text }) => text
)

const nativeEvent = (token: string, reason: string | null) =>
  `event: message\ndata: {"token": ${JSON.stringify(token)}, "finish_reason": ${JSON.stringify(reason)}}\n\n`

const generate: Surface = {
  name: "POST /api/extra/generate/stream",
  path: "/api/extra/generate/stream",
  request: { prompt: "p" },
  endpoint: "generate",
  fallback: undefined,
  whole: (texts) => [...texts.map((text) => nativeEvent(text, null)), nativeEvent("", "stop")].join(""),
  masked: (bytes) => bytes,
  read: (bytes) => {
    const events = eventsIn(bytes).map((data) => JSON.parse(data))
    const { detail, finish_reason: reason = null } = events.at(-1) ?? {}
    return {
      text: events.map(({ token }) => token).join(""),
      finishReason: detail === undefined ? (reason ?? undefined) : undefined,
      error: detail?.error,
      complete: reason !== null
    }
  },
  codeIn: (body) => JSON.parse(body).detail.error
}

export const surfaces: ReadonlyArray<Surface> = [event, chat, completions, generate]
