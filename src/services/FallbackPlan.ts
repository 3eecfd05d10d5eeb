import * as Effect from "effect/Effect"
import { type BackendError, mostTelling } from "../domain/BackendError.ts"
import type { Allowance } from "./RetryPolicy.ts"

/**
 * Runs the first option; when it fails with a remedy other than to give up, and the allowance lets it, the next one.
 *
 * Fails with the error that tells most when none is left.
 */
export const firstAnswer = <Option, A, R>(
  options: readonly [Option, ...ReadonlyArray<Option>],
  run: (option: Option) => Effect.Effect<A, BackendError, R>,
  allowance: Allowance,
  onFallback: Effect.Effect<void> = Effect.void
): Effect.Effect<A, BackendError, R> => {
  const [first, second, ...rest] = options
  return Effect.catch(run(first), (error) =>
    Effect.gen(function* () {
      if (error.remedy === "give up" || second === undefined) return yield* error
      if (!(yield* allowance(error.remedy))) return yield* error
      yield* onFallback
      return yield* Effect.mapError(firstAnswer([second, ...rest], run, allowance, onFallback), (later) =>
        mostTelling(later, error)
      )
    })
  )
}
