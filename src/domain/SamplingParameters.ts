import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidParameter } from "./Failure.ts"
import type { JsonObject } from "./Prompt.ts"

/** How the backend is to sample, in the wire's terms of OpenAI-compatible servers. */
export interface SamplingParameters {
  /** The most tokens to generate. */
  readonly maxTokens: number
  readonly temperature: number
  readonly topP: number
  readonly topK?: number
  readonly stop?: ReadonlyArray<string>
  readonly seed?: number
  readonly model?: string
}

/** How one parameter is read. */
export interface Parameter<A> {
  readonly decode: (value: unknown) => Result.Result<A, unknown>
  /** The range, as it is told to a caller who missed it. */
  readonly expected: string
}

export const parameter = <A>(schema: Schema.ConstraintCodec<A, unknown>, expected: string): Parameter<A> => ({
  decode: Schema.decodeUnknownResult(schema),
  expected
})

const between = (minimum: number, maximum: number) => Schema.isBetween({ minimum, maximum })
const StopSequence = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(1000))

/**
 * Every parameter a caller may set, with its range.
 *
 * `temperature` and `top_p` follow OpenAI's ranges, `seed` KoboldCpp's (-1 lets the backend choose). The bounds of
 * `max_tokens`, `top_k` and `stop` only keep nonsense out: the backend clamps to its own context.
 */
export const samplingParameters = {
  max_tokens: parameter(Schema.Int.check(between(1, 131_072)), "a whole number from 1 to 131072"),
  temperature: parameter(Schema.Finite.check(between(0, 2)), "a number from 0 to 2"),
  top_p: parameter(Schema.Finite.check(between(0, 1)), "a number from 0 to 1"),
  top_k: parameter(Schema.Int.check(between(0, 1_000_000)), "a whole number from 0 (off) to 1000000"),
  stop: parameter(
    Schema.Union([StopSequence, Schema.Array(StopSequence).check(Schema.isMaxLength(64))]),
    "a string of 1 to 1000 characters, or a list of at most 64 of them"
  ),
  seed: parameter(Schema.Int.check(between(-1, 4_294_967_295)), "a whole number from -1 (random) to 4294967295"),
  model: parameter(
    Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(256)),
    "a string of 1 to 256 characters"
  )
} as const

export type ParameterName = keyof typeof samplingParameters

/** What a caller gets who sets nothing. */
export const defaultSampling = { maxTokens: 150, temperature: 0.7, topP: 1 } as const

/**
 * Reads the sampling parameters; where a name stands in several places, the first place wins.
 *
 * Fails with `InvalidParameter` on the first value of a wrong type or out of range.
 */
export const decodeSampling = (
  places: ReadonlyArray<JsonObject>
): Result.Result<SamplingParameters, InvalidParameter> =>
  Result.map(
    Result.all({
      maxTokens: read(places, "max_tokens", samplingParameters.max_tokens),
      temperature: read(places, "temperature", samplingParameters.temperature),
      topP: read(places, "top_p", samplingParameters.top_p),
      topK: read(places, "top_k", samplingParameters.top_k),
      stop: read(places, "stop", samplingParameters.stop),
      seed: read(places, "seed", samplingParameters.seed),
      model: read(places, "model", samplingParameters.model)
    }),
    ({ maxTokens, model, seed, stop, temperature, topK, topP }) => ({
      maxTokens: maxTokens ?? defaultSampling.maxTokens,
      temperature: temperature ?? defaultSampling.temperature,
      topP: topP ?? defaultSampling.topP,
      ...(topK === undefined ? undefined : { topK }),
      ...(stop === undefined ? undefined : { stop: typeof stop === "string" ? [stop] : stop }),
      ...(seed === undefined ? undefined : { seed }),
      ...(model === undefined ? undefined : { model })
    })
  )

const read = <A>(
  places: ReadonlyArray<JsonObject>,
  name: ParameterName,
  { decode, expected }: Parameter<A>
): Result.Result<A | undefined, InvalidParameter> => {
  const place = places.find((candidate) => Object.hasOwn(candidate, name))
  if (place === undefined) return unset
  return Result.mapError(decode(place[name]), () => new InvalidParameter({ parameter: name, expected }))
}

const unset = Result.succeed(undefined)
