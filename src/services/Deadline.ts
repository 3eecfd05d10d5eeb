import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DeadlineExceeded } from "../domain/Failure.ts"
import { millisOf, monotonicMillis } from "./MonotonicClock.ts"

/** The moment, in monotonic milliseconds, by which the current request must have its answer. */
export const Deadline = Context.Reference<number>("ai-ticket/Deadline", {
  defaultValue: () => Number.POSITIVE_INFINITY
})

/** How much of the current request's budget is left; never negative. */
export const remainingMillis: Effect.Effect<number> = Effect.gen(function* () {
  return Math.max(0, (yield* Deadline) - (yield* monotonicMillis))
})

/**
 * Gives `self` a time budget, which counts from now or from the moment given. It never lengthens one that it stands in
 * already.
 *
 * When the budget is used up `self` is interrupted, with all that its interruption cleans up, and `DeadlineExceeded`
 * is the answer.
 */
export const withDeadline =
  (budget: Duration.Input, startedAt?: number) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
    Effect.withFiber((fiber) => {
      const now = millisOf(fiber.getRef(Clock.Clock))
      const start = startedAt ?? now
      const asked = Duration.toMillis(Duration.fromInputUnsafe(budget))
      const at = Math.min(start + asked, fiber.getRef(Deadline))
      return Effect.raceFirst(
        Effect.provideService(self, Deadline, at),
        Effect.flatMap(Effect.sleep(Math.max(0, at - now)), () =>
          Effect.fail(new DeadlineExceeded({ budgetMillis: Math.max(0, at - start) }))
        )
      )
    })
