import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { formatStep, parseStep } from "./FaultGrammar.ts"
import { Endpoint, FaultStep } from "./FaultStep.ts"

/**
 * A script: its steps in the order they were written. The text form is a list of steps, and an entry may hold several
 * of them with commas between.
 */
export const FaultScript = Schema.Array(Schema.String).pipe(
  Schema.decodeTo(Schema.Array(FaultStep), {
    decode: SchemaGetter.transformEffect((entries: ReadonlyArray<string>) =>
      Effect.mapError(Effect.fromResult(parseScript(entries)), (message) => new SchemaIssue.InvalidValue({ message }))
    ),
    encode: SchemaGetter.transform((steps: ReadonlyArray<FaultStep>) => steps.map(formatStep))
  })
)

/** Reads a whole script; the failure is one sentence. */
export const parseScript = (entries: ReadonlyArray<string>): Result.Result<ReadonlyArray<FaultStep>, string> => {
  const steps: Array<FaultStep> = []
  for (const written of entries.flatMap((entry) => entry.split(","))) {
    if (written.trim() === "") continue
    const step = parseStep(written)
    if (Result.isFailure(step)) return Result.fail(step.failure)
    const { endpoint } = step.success
    const forever = steps.find((earlier) => earlier.endpoint === endpoint && earlier.repeat.mode === "forever")
    if (forever !== undefined) {
      return Result.fail(
        `The fault "${formatStep(step.success)}" would never come: "${formatStep(forever)}" before it repeats for ever.`
      )
    }
    steps.push(step.success)
  }
  const crowded = Endpoint.literals.find((endpoint) => sharesOf(steps, endpoint) > 100)
  return crowded === undefined
    ? Result.succeed(steps)
    : Result.fail(`The shares of the faults for ${crowded} add up to more than 100 %.`)
}

const sharesOf = (steps: ReadonlyArray<FaultStep>, endpoint: Endpoint): number =>
  steps.reduce(
    (sum, { endpoint: its, repeat }) =>
      repeat.mode === "share" && (its === endpoint || its === "any") ? sum + repeat.percent : sum,
    0
  )
