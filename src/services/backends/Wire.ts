import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Generation, GenerationRequest, Usage } from "../../domain/Generation.ts"
import type { JsonObject } from "../../domain/Prompt.ts"
import type { SamplingParameters } from "../../domain/SamplingParameters.ts"

/** What one event of a stream tells. */
export interface StreamEvent {
  readonly text: string
  /** There only in the last event, or the last but one that matters. */
  readonly finishReason?: string
  readonly model?: string
  readonly usage?: Usage
  readonly toolCalls?: ReadonlyArray<unknown>
}

/** One of KoboldCpp's ways to ask for text: its paths, its bodies, and how its answers are read. */
export interface WireEndpoint {
  readonly name: "chat" | "completion" | "generate"
  readonly path: string
  readonly streamPath: string
  /** What a request for a stream has beside `stream`. */
  readonly streamFields?: JsonObject
  /** Undefined for a request that this endpoint can't express. */
  readonly body: (request: GenerationRequest) => JsonObject | undefined
  /** Reads the answer; a failure means JSON of another shape. */
  readonly read: (answer: unknown) => Result.Result<Generation, unknown>
  /** Reads the JSON of one event of a stream; a failure means another shape. */
  readonly readEvent: (event: unknown) => Result.Result<StreamEvent, unknown>
}

const openAiSampling = ({ maxTokens, model, seed, stop, temperature, topK, topP }: SamplingParameters) => ({
  max_tokens: maxTokens,
  temperature,
  top_p: topP,
  top_k: topK,
  stop,
  seed,
  model
})

/** Absent, null and wrongly typed extras are all "not told": only the text makes an answer usable. */
const Extra = Schema.optionalKey(Schema.Unknown)
const word = (value: unknown): string | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(Schema.NonEmptyString)(value))

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const decodeUsage = Schema.decodeUnknownOption(
  Schema.Struct({ prompt_tokens: Count, completion_tokens: Count, total_tokens: Schema.optionalKey(Count) })
)

/** KoboldCpp 1.76 tells 100, 100 and 200 whatever it did: that is no count. */
const isMadeUp = (usage: { prompt_tokens: number; completion_tokens: number; total_tokens?: number }) =>
  usage.prompt_tokens === 100 && usage.completion_tokens === 100 && usage.total_tokens === 200

const usageFrom = (value: unknown): Usage | undefined =>
  decodeUsage(value).pipe(
    Option.filter((usage) => !isMadeUp(usage)),
    Option.map((usage) => ({ promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens })),
    Option.getOrUndefined
  )

interface Extras {
  readonly model?: unknown
  readonly finishReason?: unknown
  readonly usage?: unknown
  readonly toolCalls?: unknown
}

const generation = (text: string, extras: Extras): Generation => {
  const model = word(extras.model)
  const finishReason = word(extras.finishReason)
  const usage = usageFrom(extras.usage)
  const toolCalls = someOf(extras.toolCalls)
  return {
    text,
    ...(model === undefined ? {} : { model }),
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(usage === undefined ? {} : { usage }),
    ...(toolCalls === undefined ? {} : { toolCalls })
  }
}

const someOf = (value: unknown): ReadonlyArray<unknown> | undefined =>
  Array.isArray(value) && value.length > 0 ? value : undefined

/** In a stream, older versions write the reason that isn't there yet as the word "null". */
const streamEvent = (text: string, { finishReason, ...extras }: Extras): StreamEvent =>
  generation(text, finishReason === "null" ? extras : { ...extras, finishReason })

/** At least one, of which the first counts. */
const firstOf = <S extends Schema.Constraint>(item: S) => Schema.TupleWithRest(Schema.Tuple([item]), [Schema.Unknown])

/** What a model says when it calls a tool instead of saying something. */
const Said = Schema.Struct({ content: Schema.optionalKey(Schema.NullOr(Schema.String)), tool_calls: Extra })

const decodeChat = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: firstOf(Schema.Struct({ message: Said, finish_reason: Extra })),
    model: Extra,
    usage: Extra
  })
)

const decodeCompletion = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: firstOf(Schema.Struct({ text: Schema.String, finish_reason: Extra })),
    model: Extra,
    usage: Extra
  })
)

const decodeGenerate = Schema.decodeUnknownResult(
  Schema.Struct({
    results: firstOf(
      Schema.Struct({ text: Schema.String, finish_reason: Extra, prompt_tokens: Extra, completion_tokens: Extra })
    )
  })
)

const decodeChatEvent = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: Schema.Array(Schema.Struct({ delta: Schema.optionalKey(Said), finish_reason: Extra })),
    model: Extra,
    usage: Extra
  })
)

const decodeCompletionEvent = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: Schema.Array(Schema.Struct({ text: Schema.optionalKey(Schema.String), finish_reason: Extra })),
    model: Extra,
    usage: Extra
  })
)

const decodeGenerateEvent = Schema.decodeUnknownResult(Schema.Struct({ token: Schema.String, finish_reason: Extra }))

const notForThis = undefined

/** OpenAI's chat, which applies the model's own template. */
export const chatEndpoint: WireEndpoint = {
  name: "chat",
  path: "/api/v1/chat/completions",
  streamPath: "/api/v1/chat/completions",
  body: (request) => {
    if (request._tag === "Chat") return { ...request.fields, messages: request.messages }
    if (request._tag !== "Prompt") return notForThis
    return { messages: [{ role: "user", content: request.prompt }], ...openAiSampling(request.parameters) }
  },
  read: (answer) =>
    Result.flatMap(decodeChat(answer), ({ choices: [{ finish_reason: finishReason, message }], model, usage }) => {
      const { content, tool_calls: toolCalls } = message
      if (typeof content !== "string" && someOf(toolCalls) === undefined) return Result.fail("no content")
      return Result.succeed(generation(content ?? "", { model, finishReason, usage, toolCalls }))
    }),
  readEvent: (event) =>
    Result.map(decodeChatEvent(event), ({ choices: [choice], model, usage }) => {
      const { delta, finish_reason: finishReason } = choice ?? {}
      return streamEvent(delta?.content ?? "", { model, finishReason, usage, toolCalls: delta?.tool_calls })
    })
}

/** OpenAI's completions. */
export const completionEndpoint: WireEndpoint = {
  name: "completion",
  path: "/api/v1/completions",
  streamPath: "/api/v1/completions",
  body: (request) => {
    if (request._tag === "Text") return { ...request.fields, prompt: request.prompt }
    if (request._tag !== "Prompt") return notForThis
    return { prompt: request.prompt, ...openAiSampling(request.parameters) }
  },
  read: (answer) =>
    Result.map(decodeCompletion(answer), ({ choices: [choice], model, usage }) =>
      generation(choice.text, { model, finishReason: choice.finish_reason, usage })
    ),
  readEvent: (event) =>
    Result.map(decodeCompletionEvent(event), ({ choices: [choice], model, usage }) =>
      streamEvent(choice?.text ?? "", { model, finishReason: choice?.finish_reason, usage })
    )
}

const generateEndpoint: WireEndpoint = {
  name: "generate",
  path: "/api/v1/generate",
  streamPath: "/api/extra/generate/stream",
  body: (request) => {
    if (request._tag === "Native") return { ...request.fields, prompt: request.prompt }
    if (request._tag !== "Prompt") return notForThis
    const { maxTokens, seed, stop, temperature, topK, topP } = request.parameters
    return {
      prompt: request.prompt,
      max_length: maxTokens,
      temperature,
      top_p: topP,
      top_k: topK,
      stop_sequence: stop,
      sampler_seed: seed,
      // Its default differs between versions.
      trim_stop: true
    }
  },
  read: (answer) =>
    Result.map(decodeGenerate(answer), ({ results: [result] }) =>
      generation(result.text, { finishReason: result.finish_reason, usage: result })
    ),
  readEvent: (event) =>
    Result.map(decodeGenerateEvent(event), ({ finish_reason: finishReason, token }) =>
      streamEvent(token, { finishReason })
    )
}

/** In order of preference. The native one is the last resort, for builds that lack the other two. */
export const wireEndpoints = [chatEndpoint, completionEndpoint, generateEndpoint] as const

/** `GET /api/extra/perf`: how many requests wait inside the server. */
export const readPerfQueue = (answer: unknown): number | undefined =>
  Option.getOrUndefined(
    Option.map(Schema.decodeUnknownOption(Schema.Struct({ queue: Count }))(answer), ({ queue }) => queue)
  )
