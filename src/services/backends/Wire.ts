import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Generation, GenerationRequest, Usage } from "../../domain/Generation.ts"
import type { JsonObject } from "../../domain/Prompt.ts"

/** What one event of a stream tells. */
export interface StreamEvent {
  readonly text: string
  /** There only in the last event, or the last but one that matters. */
  readonly finishReason?: string
  readonly model?: string
  readonly usage?: Usage
  readonly toolCalls?: ReadonlyArray<unknown>
}

/** A way to ask for text: what is asked with, and how its answers are read. */
export interface WireFormat {
  readonly name: "chat" | "completion" | "generate"
  /** Whether this format can express a request. It is asked more often than for bodies, and makes none. */
  readonly serves: (request: GenerationRequest) => boolean
  /** Undefined for a request that this format can't express. */
  readonly body: (request: GenerationRequest) => JsonObject | undefined
  /** Reads the answer; a failure means JSON of another shape. */
  readonly read: (answer: unknown) => Result.Result<Generation, unknown>
  /** Reads the JSON of one event of a stream; a failure means another shape. */
  readonly readEvent: (event: unknown) => Result.Result<StreamEvent, unknown>
}

/** The same at one server: where it is spoken there. */
export interface WireEndpoint extends WireFormat {
  readonly path: string
  readonly streamPath: string
  /** What a request for a stream has beside `stream`. */
  readonly streamFields?: JsonObject
}

/** Absent, null and wrongly typed extras are all "not told": only the text makes an answer usable. */
export const Extra = Schema.optionalKey(Schema.Unknown)
const word = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

/** A number of tokens, or of requests. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
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

/** A whole answer, with what it tells beside its text. */
export const generation = (text: string, extras: Extras): Generation => {
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

/** A list that isn't empty. */
export const someOf = (value: unknown): ReadonlyArray<unknown> | undefined =>
  Array.isArray(value) && value.length > 0 ? value : undefined

/** An event of a stream. Older KoboldCpps write the reason that isn't there yet as the word "null". */
export const streamEvent = (text: string, { finishReason, ...extras }: Extras): StreamEvent =>
  generation(text, finishReason === "null" ? extras : { ...extras, finishReason })

/** At least one, of which the first counts. */
export const firstOf = <S extends Schema.Constraint>(item: S) =>
  Schema.TupleWithRest(Schema.Tuple([item]), [Schema.Unknown])
