import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Generation, Usage } from "../../domain/Completion.ts"
import type { SamplingParameters } from "../../domain/SamplingParameters.ts"
import type { GenerationRequest } from "../InferenceBackend.ts"

/** One of KoboldCpp's ways to ask for text: its path and its two bodies. */
export interface WireEndpoint {
  readonly name: "chat" | "completion" | "generate"
  readonly path: string
  readonly body: (request: GenerationRequest, genkey: string) => object
  /** Reads the answer; a failure means JSON of another shape. */
  readonly read: (answer: unknown) => Result.Result<Generation, unknown>
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

const generation = (text: string, extras: { model?: unknown; finishReason?: unknown; usage?: unknown }): Generation => {
  const model = word(extras.model)
  const finishReason = word(extras.finishReason)
  const usage = usageFrom(extras.usage)
  return {
    text,
    ...(model === undefined ? {} : { model }),
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(usage === undefined ? {} : { usage })
  }
}

/** At least one, of which the first counts. */
const firstOf = <S extends Schema.Constraint>(item: S) => Schema.TupleWithRest(Schema.Tuple([item]), [Schema.Unknown])

const decodeChat = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: firstOf(Schema.Struct({ message: Schema.Struct({ content: Schema.String }), finish_reason: Extra })),
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

/**
 * In order of preference. The chat endpoint applies the model's own template; the native one is the last resort, for
 * builds that lack the other two.
 */
export const wireEndpoints: readonly [WireEndpoint, ...ReadonlyArray<WireEndpoint>] = [
  {
    name: "chat",
    path: "/api/v1/chat/completions",
    body: ({ parameters, prompt }, genkey) => ({
      messages: [{ role: "user", content: prompt }],
      ...openAiSampling(parameters),
      genkey
    }),
    read: (answer) =>
      Result.map(decodeChat(answer), ({ choices: [choice], model, usage }) =>
        generation(choice.message.content, { model, finishReason: choice.finish_reason, usage })
      )
  },
  {
    name: "completion",
    path: "/api/v1/completions",
    body: ({ parameters, prompt }, genkey) => ({ prompt, ...openAiSampling(parameters), genkey }),
    read: (answer) =>
      Result.map(decodeCompletion(answer), ({ choices: [choice], model, usage }) =>
        generation(choice.text, { model, finishReason: choice.finish_reason, usage })
      )
  },
  {
    name: "generate",
    path: "/api/v1/generate",
    body: ({ parameters, prompt }, genkey) => ({
      prompt,
      max_length: parameters.maxTokens,
      temperature: parameters.temperature,
      top_p: parameters.topP,
      top_k: parameters.topK,
      stop_sequence: parameters.stop,
      sampler_seed: parameters.seed,
      // Its default differs between versions.
      trim_stop: true,
      genkey
    }),
    read: (answer) =>
      Result.map(decodeGenerate(answer), ({ results: [result] }) =>
        generation(result.text, { finishReason: result.finish_reason, usage: result })
      )
  }
]

/** `GET /api/extra/perf`: how many requests wait inside the server. */
export const readPerfQueue = (answer: unknown): number | undefined =>
  Option.getOrUndefined(
    Option.map(Schema.decodeUnknownOption(Schema.Struct({ queue: Count }))(answer), ({ queue }) => queue)
  )
