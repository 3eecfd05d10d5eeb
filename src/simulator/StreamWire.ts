import type { Reply } from "./Answer.ts"
import type { Endpoint } from "./FaultStep.ts"
import { isRecord } from "./GenerationRequest.ts"
import type { SimulatorOptions } from "./Options.ts"

/**
 * The head of a stream. It promises to keep the connection, and at the end of the stream the server closes it all the
 * same; there is no length.
 */
const streamHead: Reply = {
  status: 200,
  headers: {
    "X-Accel-Buffering": "no",
    "cache-control": "no-cache",
    connection: "keep-alive",
    "content-type": "text/event-stream"
  },
  body: "",
  sized: false
}

type Reason = "stop" | "length" | undefined

/** What is told of a text at its end. */
export interface StreamEnding {
  /** What is left of it. */
  readonly text: string
  readonly reason: "stop" | "length"
  /** Tokens, as the server counts them. */
  readonly usage: unknown
}

/** The bytes of one endpoint's streams. */
export interface StreamWire {
  readonly head: Reply
  /** What comes before the first text. */
  readonly opening: (createdSeconds: number) => string
  /** An event with a part of the text. */
  readonly text: (text: string, createdSeconds: number) => string
  /** The end of a stream: what is left of the text, why it ended, and the mark behind it all if there is one. */
  readonly end: (ending: StreamEnding, createdSeconds: number) => string
  /** An event with any JSON. */
  readonly event: (data: unknown) => string
  /** An event whose data is no JSON. */
  readonly garbage: string
  /** An event that tells of an error, each in its own way: newer servers give it as the reason for the end. */
  readonly error: string
}

/**
 * Events as each dialect of KoboldCpp writes them.
 *
 * | | 1.76 | 1.104 |
 * |---|---|---|
 * | reason before the end | the text "null" | null |
 * | reason at the end | in the event of the last tokens | in an event of its own |
 * | after it, for OpenAI's two | `data: [DONE]`, and no line break | `data: [DONE]` and an empty line |
 */
export const koboldCppStream = (endpoint: Endpoint, { dialect, model }: SimulatorOptions): StreamWire => {
  const old = dialect === "1.76"
  const noReason = old ? "null" : null

  const choice = (text: string, finish_reason: string | null) =>
    endpoint === "chat"
      ? { index: 0, finish_reason, delta: { role: "assistant", content: text } }
      : { index: 0, finish_reason, text }

  const data = (text: string, reason: Reason, created: number): unknown => {
    const finish_reason = reason ?? noReason
    if (endpoint === "generate") return { token: text, finish_reason }
    const object = endpoint === "chat" ? "chat.completion.chunk" : "text_completion"
    return { id: "koboldcpp", object, created, model, choices: [choice(text, finish_reason)] }
  }
  const framed = (json: string): string => `${endpoint === "generate" ? "event: message\n" : ""}data: ${json}\n\n`
  const event = (value: unknown): string => framed(spacedJson(value))

  const done = endpoint === "generate" ? "" : `data: [DONE]${old ? "" : "\n\n"}`
  return {
    head: streamHead,
    opening: () => "",
    text: (text, created) => event(data(text, undefined, created)),
    end: ({ reason, text }, created) =>
      old || text === ""
        ? event(data(text, reason, created)) + done
        : event(data(text, undefined, created)) + event(data("", reason, created)) + done,
    event,
    garbage: framed('{"simulated": "garba'),
    error: event(
      endpoint === "generate"
        ? { token: "", finish_reason: "error" }
        : { error: { message: "Simulated error.", type: "server_error", code: 500 } }
    )
  }
}

/**
 * JSON with a space after every colon and comma, as the real server's serialiser writes it. That one also escapes what
 * isn't ASCII; here it goes out in UTF-8, which is the same JSON and harder on whoever reads it in bits.
 */
const spacedJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(", ")}]`
  if (!isRecord(value)) return JSON.stringify(value)
  const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${spacedJson(field)}`)
  return `{${fields.join(", ")}}`
}
