import { isUtf8 } from "node:buffer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Endpoint } from "./FaultStep.ts"
import { type Dialect, defaultMaxTokens, type SimulatorOptions } from "./Options.ts"
import type { TextRequest } from "./Text.ts"

/** A request for text, whichever endpoint it came to. */
export interface GenerationRequest extends TextRequest {
  /** Empty if the client gave none. */
  readonly genkey: string
  /** Whether the text is to come bit by bit. */
  readonly stream: boolean
  /** Everything else that was in the body, for the ledger. */
  readonly parameters: Readonly<Record<string, unknown>>
}

/**
 * How the server fails on a bad body: with an error that says so, with a 200 whose body is `null`, with an event stream
 * in which nothing ever comes, or by dropping the connection without a word. It never answers 400.
 */
export type Refusal = "bad input" | "null" | "silence" | "hang up"

const parseJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

/** A JSON object, or the way in which the server fails on something else. */
export const readObject = (body: Uint8Array): Result.Result<Readonly<Record<string, unknown>>, Refusal> => {
  if (!isUtf8(body)) return Result.fail("bad input")
  const json = parseJson(new TextDecoder().decode(body))
  if (Result.isFailure(json)) return Result.fail("bad input")
  return isRecord(json.success) ? Result.succeed(json.success) : Result.fail("hang up")
}

/** Where a request came to. */
export interface Entrance {
  readonly endpoint: Endpoint
  /** Whether every answer there is a stream. Elsewhere the request says whether it wants one. */
  readonly streams: boolean
}

/** Reads a request as the real server does: lenient in most fields, and odd in how it fails on the others. */
export const readRequest = (
  { endpoint, streams }: Entrance,
  body: Uint8Array,
  options: SimulatorOptions
): Result.Result<GenerationRequest, Refusal> =>
  Result.flatMap(readObject(body), (fields) => {
    if (fields["rep_pen"] === null) return Result.fail("hang up")
    const stream = streams || (endpoint !== "generate" && Boolean(fields["stream"]))
    const unusable: Refusal = stream ? "silence" : "null"
    return Result.flatMap(readPrompt(endpoint, fields, options.dialect), ({ prompt, topic }) => {
      const genkey = fields["genkey"] ?? (fields["genkey"] === undefined ? "" : null)
      const maxTokens = readMaxTokens(endpoint, fields, options)
      if (!isText(prompt) || typeof genkey !== "string" || !isText(genkey) || maxTokens === undefined) {
        return Result.fail(unusable)
      }
      if (options.dialect === "1.76" && !isNumberOrAbsent(fields["temperature"])) return Result.fail(unusable)
      const { messages: _, prompt: __, ...parameters } = fields
      return Result.succeed({
        genkey,
        stream,
        prompt,
        topic,
        maxTokens,
        seed: Number.isSafeInteger(fields["seed"]) ? Number(fields["seed"]) : -1,
        stop: readStop(fields[endpoint === "generate" ? "stop_sequence" : "stop"]),
        trimStop: Predicate.isBoolean(fields["trim_stop"]) ? fields["trim_stop"] : options.dialect !== "1.76",
        endless: fields[options.dialect === "openai" ? "ignore_eos" : "ban_eos_token"] === true,
        parameters
      })
    })
  })

/** A record in the JSON sense: an object that isn't a list. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isObject(value) && !Array.isArray(value)

/** Half of a surrogate pair is no text: the server can't encode it and gives up. */
const isText = (value: unknown): value is string => Predicate.isString(value) && !/\p{Cs}/u.test(value)

const isNumberOrAbsent = (value: unknown) => value === undefined || Predicate.isNumber(value)

type Prompt = { readonly prompt: unknown; readonly topic: string }

const readPrompt = (
  endpoint: Endpoint,
  fields: Readonly<Record<string, unknown>>,
  dialect: Dialect
): Result.Result<Prompt, Refusal> => {
  // KoboldCpp goes on with nothing; the other kind of server must be told.
  const lenient = dialect !== "openai"
  if (endpoint === "chat") return readMessages(fields["messages"] ?? (lenient ? [] : undefined))
  if (fields["prompt"] === undefined && !lenient) return Result.fail("null")
  const prompt = fields["prompt"] === undefined ? "" : fields["prompt"]
  return Result.succeed({ prompt, topic: Predicate.isString(prompt) ? prompt : "" })
}

const readMessages = (messages: unknown): Result.Result<Prompt, Refusal> => {
  if (!Array.isArray(messages)) return Result.fail("hang up")
  const parts: Array<string> = []
  let topic = ""
  for (const message of messages as ReadonlyArray<unknown>) {
    if (!isRecord(message) || !("role" in message) || !("content" in message)) return Result.fail("hang up")
    const content = readContent(message["content"])
    if (content === undefined) return Result.fail("hang up")
    parts.push(`${String(message["role"])}: ${content}\n`)
    topic = content
  }
  return Result.succeed({ prompt: parts.join(""), topic })
}

/** A text, or a list of parts of which the texts count. */
const readContent = (content: unknown): string | undefined => {
  if (Predicate.isString(content)) return content
  if (content === null) return ""
  if (!Array.isArray(content)) return undefined
  return content.map((part) => (isRecord(part) && Predicate.isString(part["text"]) ? part["text"] : "")).join("\n")
}

const readStop = (stop: unknown): ReadonlyArray<string> => {
  const list: ReadonlyArray<unknown> = Array.isArray(stop) ? stop : [stop]
  return list.filter((entry) => Predicate.isString(entry)).filter((entry) => entry !== "")
}

/** Undefined if the older dialect can't make a number of it; the newer one falls back to its default. */
const readMaxTokens = (
  endpoint: Endpoint,
  fields: Readonly<Record<string, unknown>>,
  { contextLength, dialect }: SimulatorOptions
): number | undefined => {
  const byDefault = defaultMaxTokens(dialect)
  const clamp = (wanted: number) => (wanted > contextLength ? contextLength - 16 : Math.max(0, wanted))
  if (dialect === "1.76") {
    const wanted = fields[endpoint === "generate" ? "max_length" : "max_tokens"] ?? byDefault
    return Number.isSafeInteger(wanted) ? clamp(Number(wanted)) : undefined
  }
  const wanted =
    endpoint === "generate" ? fields["max_length"] : (fields["max_tokens"] ?? fields["max_completion_tokens"])
  const number = Predicate.isString(wanted) && /^\s*[+-]?\d{1,15}\s*$/.test(wanted) ? Number(wanted) : wanted
  return clamp(Predicate.isNumber(number) && Number.isFinite(number) ? Math.trunc(number) : byDefault)
}
