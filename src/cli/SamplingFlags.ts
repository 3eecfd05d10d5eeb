import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { type ParameterName, samplingParameters } from "../domain/SamplingParameters.ts"

/** A flag for a parameter, held to the range that the service holds it to. */
const parameter = (flag: string, name: ParameterName, metavar: string, description: string) =>
  Flag.String(flag).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(`${description}: ${samplingParameters[name].expected}`)
  )

const fits = (name: ParameterName, value: unknown): boolean => {
  const decoded: Result.Result<unknown, unknown> = samplingParameters[name].decode(value)
  return Result.isSuccess(decoded)
}

const numeric = (flag: string, name: ParameterName, description: string) =>
  parameter(flag, name, "NUMBER", description).pipe(
    Flag.filterMap(
      (text) => {
        const value = text.trim() === "" ? Number.NaN : Number(text)
        return fits(name, value) ? Option.some(value) : Option.none()
      },
      () => samplingParameters[name].expected
    ),
    Flag.optional
  )

/** How the backend is to sample. */
export const samplingFlags = {
  temperature: numeric("temperature", "temperature", "How daring the words are"),
  maxTokens: numeric("max-tokens", "max_tokens", "The most tokens to generate"),
  topP: numeric("top-p", "top_p", "The share of likely tokens to choose from"),
  topK: numeric("top-k", "top_k", "How many tokens to choose from"),
  seed: numeric("seed", "seed", "The same seed gives the same text"),
  stop: Flag.String("stop").pipe(
    Flag.withMetavar("TEXT"),
    Flag.withDescription("Where the answer is to end; may be given again"),
    Flag.filter(
      (text) => fits("stop", text),
      () => "a text of 1 to 1000 characters"
    ),
    Flag.between(0, 64)
  ),
  model: parameter("model", "model", "NAME", "The model to ask").pipe(
    Flag.filter(
      (text) => fits("model", text),
      () => samplingParameters.model.expected
    ),
    Flag.optional
  )
}

/** What was given of them. */
export interface SamplingValues {
  readonly temperature: Option.Option<number>
  readonly maxTokens: Option.Option<number>
  readonly topP: Option.Option<number>
  readonly topK: Option.Option<number>
  readonly seed: Option.Option<number>
  readonly stop: ReadonlyArray<string>
  readonly model: Option.Option<string>
}

/** The flags' values, by the wire's names; what wasn't given isn't there. */
export const samplingFields = (values: SamplingValues) => ({
  temperature: Option.getOrUndefined(values.temperature),
  max_tokens: Option.getOrUndefined(values.maxTokens),
  top_p: Option.getOrUndefined(values.topP),
  top_k: Option.getOrUndefined(values.topK),
  seed: Option.getOrUndefined(values.seed),
  stop: values.stop.length === 0 ? undefined : values.stop,
  model: Option.getOrUndefined(values.model)
})
