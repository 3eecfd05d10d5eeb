import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { BackendError, Remedy } from "../domain/BackendError.ts"
import { remainingMillis } from "./Deadline.ts"
import type { RetryBudget } from "./RetryBudget.ts"

/** Attempts at one endpoint before the next one is tried. */
const attemptsPerEndpoint = 3

/**
 * Attempts of one request over all endpoints. A backend that turned two whole endpoints away won't be moved by a third
 * path to the same model.
 */
const attemptsPerRequest = 6

/** Says whether a request may make one attempt more after an attempt with this remedy failed; a yes is spent. */
export type Allowance = (remedy: Remedy) => Effect.Effect<boolean>

/**
 * The allowance of one request: `attemptsPerRequest` in all, and out of the common budget whatever comes after a
 * failure that may mean distress. An endpoint that isn't there costs nothing.
 */
export const makeAllowance = (budget: RetryBudget["Service"]): Allowance => {
  let left = attemptsPerRequest - 1
  return (remedy) =>
    Effect.gen(function* () {
      if (remedy === "absent") return true
      if (left === 0 || (remedy === "retry" && !(yield* budget.withdraw))) return false
      left -= 1
      return true
    })
}

/**
 * When to try the same endpoint again: 100 ms, then 200 ms, each with 20% jitter either way; what the backend asked
 * for in `Retry-After` is the least. It ends after three attempts, at an error that another attempt won't mend, when
 * the wait would pass the deadline, or when the allowance is spent.
 */
export const retryPolicy = (allowance: Allowance) =>
  Schedule.exponential("100 millis").pipe(
    Schedule.jittered,
    Schedule.setInputType<BackendError>(),
    Schedule.while(({ input }) => input.remedy === "retry"),
    Schedule.upTo({ times: attemptsPerEndpoint - 1 }),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(Duration.max(duration, Duration.millis(input.retryAfterMillis ?? 0)))
    ),
    Schedule.while(({ duration }) => Effect.map(remainingMillis, (left) => Duration.toMillis(duration) < left)),
    Schedule.while(() => allowance("retry"))
  )

/**
 * Makes the first attempt, and by the policy `again` for each one after it. No schedule is built for an attempt that
 * succeeds, which is most of them.
 */
export const retrying = <A, R>(
  first: Effect.Effect<A, BackendError, R>,
  again: Effect.Effect<A, BackendError, R>,
  allowance: Allowance
): Effect.Effect<A, BackendError, R> =>
  Effect.catch(first, (error) => {
    let failed = false
    return Effect.suspend(() => {
      if (failed) return again
      failed = true
      return Effect.fail(error)
    }).pipe(Effect.retry(retryPolicy(allowance)))
  })
