import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidParameter, InvalidRequest } from "./Failure.ts"
import type { GenerationRequest } from "./Generation.ts"
import { readMessages, unusable } from "./OpenAiMessages.ts"
import { isJsonObject, type JsonObject } from "./Prompt.ts"
import { type Parameter, parameter, samplingParameters } from "./SamplingParameters.ts"
import { whyNotSendable } from "./Sendable.ts"

/** What a client of OpenAI's API asks for: of the backend, and of the form of its answer. */
export interface OpenAiRequest {
  readonly generation: GenerationRequest
  /** The model as the client names it, whatever the backend runs. */
  readonly model: string | undefined
  readonly stream: boolean
  /** Whether a stream is to end with its usage. */
  readonly includeUsage: boolean
}

export type OpenAiRefusal = InvalidRequest | InvalidParameter

const penalty = parameter(Schema.Finite.check(Schema.isBetween({ minimum: -2, maximum: 2 })), "a number from -2 to 2")

/** The parameters that are looked at: KoboldCpp answers some of a wrong type with `null`, or not at all. */
const parameters: Readonly<Record<string, Parameter<unknown>>> = {
  ...samplingParameters,
  max_completion_tokens: samplingParameters.max_tokens,
  frequency_penalty: penalty,
  presence_penalty: penalty,
  stream: parameter(Schema.Boolean, "true or false")
}

/**
 * What doesn't go on to the backend as it came: what the service does itself, who the client's user is, and the key that
 * would let a client abort somebody else's generation.
 */
const kept: ReadonlySet<string> = new Set([
  "messages",
  "prompt",
  "max_tokens",
  "max_completion_tokens",
  "n",
  "stream",
  "stream_options",
  "user",
  "safety_identifier",
  "prompt_cache_key",
  "metadata",
  "store",
  "genkey"
])

/** Reads the body of `POST /v1/chat/completions`. */
export const decodeChatRequest = (body: unknown): Result.Result<OpenAiRequest, OpenAiRefusal> =>
  decodeWith(body, (sent, fields) =>
    Result.map(readMessages(sent["messages"]), (messages) => ({ _tag: "Chat", messages, fields }))
  )

/** Reads the body of `POST /v1/completions`. */
export const decodeTextRequest = (body: unknown): Result.Result<OpenAiRequest, OpenAiRefusal> =>
  decodeWith(body, (sent, fields) =>
    Result.map(readPrompt(sent["prompt"]), (prompt) => ({ _tag: "Text", prompt, fields }))
  )

/** OpenAI takes several prompts at once, as texts or tokens; here it is one text. */
const readPrompt = (prompt: unknown): Result.Result<string, InvalidRequest> => {
  const [only, ...more] = Array.isArray(prompt) ? prompt : [prompt]
  return typeof only === "string" && more.length === 0
    ? Result.succeed(only)
    : Result.fail(unusable("prompt", "must be a string, or a list of one string"))
}

const decodeWith = (
  body: unknown,
  read: (sent: JsonObject, fields: JsonObject) => Result.Result<GenerationRequest, OpenAiRefusal>
): Result.Result<OpenAiRequest, OpenAiRefusal> =>
  Result.gen(function* () {
    const sent = yield* readObject(body)
    if ((sent["n"] ?? 1) !== 1) return yield* Result.fail(unusable("n", "must be 1: there is one answer"))
    for (const [name, { decode, expected }] of Object.entries(parameters)) {
      if (sent[name] === undefined) continue
      yield* Result.mapError(decode(sent[name]), () => new InvalidParameter({ parameter: name, expected }))
    }
    const { max_completion_tokens: newer, max_tokens: older, model, stream_options: options } = sent
    const stream = sent["stream"] === true
    const includeUsage = stream && isJsonObject(options) && options["include_usage"] === true
    const maxTokens = newer ?? older
    const generation = yield* read(sent, {
      ...withoutKept(sent),
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
      // Newer versions of KoboldCpp count a stream when they are asked to.
      ...(includeUsage ? { stream_options: { include_usage: true } } : {})
    })
    return { generation, model: typeof model === "string" ? model : undefined, stream, includeUsage }
  })

/** The fields that say something: OpenAI's clients send null for "not set", and KoboldCpp closes the connection on some. */
const readObject = (body: unknown): Result.Result<JsonObject, InvalidRequest> => {
  if (!isJsonObject(body)) return Result.fail(new InvalidRequest({ details: "the body must be a JSON object" }))
  const problem = whyNotSendable(body)
  return problem === undefined
    ? Result.succeed(Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null)))
    : Result.fail(new InvalidRequest({ details: problem }))
}

const withoutKept = (sent: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(sent).filter(([name]) => !kept.has(name)))
