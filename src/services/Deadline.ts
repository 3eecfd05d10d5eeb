import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { DeadlineExceeded } from "../domain/Failure.ts"
import { type Ending, either, endedBy } from "./Ending.ts"
import { millisOf, monotonicMillis } from "./MonotonicClock.ts"
import type { Timer } from "./Timer.ts"

/** The moment, in monotonic milliseconds, by which the current request must have its answer. */
export const Deadline = Context.Reference<number>("ai-ticket/Deadline", {
  defaultValue: () => Number.POSITIVE_INFINITY
})

/** How much of the current request's budget is left; never negative. */
export const remainingMillis: Effect.Effect<number> = Effect.gen(function* () {
  return Math.max(0, (yield* Deadline) - (yield* monotonicMillis))
})

/** A time budget, which counts from now or from the moment given. */
export interface TimeBudget {
  readonly timer: Timer
  /** Milliseconds. */
  readonly budget: number
  /** Monotonic milliseconds. */
  readonly startedAt?: number | undefined
}

/** When a budget that begins here is used up, and the ending that comes then. It never lengthens one it stands in. */
export const deadlineOf = (fiber: Fiber.Fiber<unknown, unknown>, { budget, startedAt, timer }: TimeBudget) => {
  const start = startedAt ?? millisOf(fiber.getRef(Clock.Clock))
  const at = Math.min(start + budget, fiber.getRef(Deadline))
  const exceeded: Ending<DeadlineExceeded> = (end) =>
    timer.at(at, () => end(new DeadlineExceeded({ budgetMillis: Math.max(0, at - start) })))
  return { at, exceeded }
}

/**
 * Gives `self` a time budget, and other reasons to end early. When the budget is used up `self` is interrupted, with all
 * that its interruption cleans up, and `DeadlineExceeded` is the answer.
 */
export const withDeadline =
  <E2 = never>(budget: TimeBudget, other?: Ending<E2>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2 | DeadlineExceeded, R> =>
    Effect.withFiber((fiber) => {
      const { at, exceeded } = deadlineOf(fiber, budget)
      const ending: Ending<E2 | DeadlineExceeded> = other === undefined ? exceeded : either(exceeded, other)
      return endedBy(ending)(Effect.provideService(self, Deadline, at))
    })
