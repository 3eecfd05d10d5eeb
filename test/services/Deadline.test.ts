import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { remainingMillis } from "../../src/services/Deadline.ts"
import { monotonicMillis } from "../../src/services/MonotonicClock.ts"
import { withinBudget } from "../support/WithinBudget.ts"

const forked = <A, E>(self: Effect.Effect<A, E>) => Effect.forkChild(self, { startImmediately: true })

describe("withDeadline", () => {
  it.effect("lets through what ends in time", () =>
    Effect.gen(function* () {
      const fiber = yield* forked(Effect.as(Effect.sleep(999), "done").pipe(withinBudget("1 second")))
      yield* TestClock.adjust(999)
      assert.strictEqual(yield* Fiber.join(fiber), "done")
    })
  )

  it.effect("leaves other failures alone", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Effect.flip(withinBudget("1 second")(Effect.fail("mine"))), "mine")
    })
  )

  it.effect("interrupts at the deadline, lets it clean up, and names the budget", () =>
    Effect.gen(function* () {
      let cleanedAt = -1
      const slow = Effect.onInterrupt(Effect.never, () =>
        Effect.map(remainingMillis, (left) => {
          cleanedAt = left
        })
      )
      const fiber = yield* forked(Effect.flip(withinBudget("2500 millis")(slow)))
      yield* TestClock.adjust(2499)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "DeadlineExceeded")
      assert.strictEqual(error.message, "No answer within 2.5 seconds.")
      assert.strictEqual(cleanedAt, 0)
    })
  )

  it.effect("leaves no more time than a deadline it stands in", () =>
    Effect.gen(function* () {
      const inner = withinBudget("1 hour")(remainingMillis)
      assert.strictEqual(yield* withinBudget("1 second")(inner), 1000)
    })
  )

  it.effect("never lengthens a deadline it stands in", () =>
    Effect.gen(function* () {
      const inner = Effect.never.pipe(withinBudget("1 hour"))
      const fiber = yield* forked(Effect.flip(withinBudget("1 second")(inner)))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.budgetMillis, 1000)
    })
  )

  it.effect("shortens a deadline it stands in", () =>
    Effect.gen(function* () {
      const inner = Effect.catchTag(withinBudget("1 second")(Effect.never), "DeadlineExceeded", () => remainingMillis)
      const fiber = yield* forked(withinBudget("1 hour")(inner))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), 3_599_000)
    })
  )

  it.effect("counts from the moment it is told, and tells the whole budget", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 minute")
      const begun = yield* monotonicMillis
      yield* TestClock.adjust(400)
      assert.strictEqual(yield* withinBudget("1 second", begun)(remainingMillis), 600)
      const fiber = yield* forked(Effect.flip(withinBudget("1 second", begun)(Effect.never)))
      yield* TestClock.adjust(599)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(fiber)).budgetMillis, 1000)
    })
  )

  it.effect("fails at once when nothing is left", () =>
    Effect.gen(function* () {
      let started = false
      const late = Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => {
          started = true
        })
      )
      const error = yield* Effect.flip(withinBudget(0)(late))
      assert.strictEqual(error._tag, "DeadlineExceeded")
      assert.isFalse(started)
    })
  )
})

describe("remainingMillis", () => {
  it.effect("is endless without a deadline", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* remainingMillis, Number.POSITIVE_INFINITY)
    })
  )

  it.effect("counts down with the clock", () =>
    Effect.gen(function* () {
      const fiber = yield* forked(withinBudget("1 second")(Effect.andThen(Effect.sleep(300), remainingMillis)))
      yield* TestClock.adjust(300)
      assert.strictEqual(yield* Fiber.join(fiber), 700)
    })
  )
})
