import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type { BackendError } from "../../src/domain/BackendError.ts"
import { monotonicMillis } from "../../src/services/MonotonicClock.ts"
import { RetryBudget } from "../../src/services/RetryBudget.ts"
import { type Allowance, makeAllowance, retryPolicy } from "../../src/services/RetryPolicy.ts"
import { backendError } from "../support/FakeBackend.ts"
import { withoutJitter } from "../support/InferenceHarness.ts"
import { withinBudget } from "../support/WithinBudget.ts"

const always: Allowance = () => Effect.succeed(true)
const busy = backendError("api_server_error", "retry")
const busyFor = (millis: number) => backendError("api_rate_limited", "retry", millis)

/** When attempts began that fail one after the other with these errors; the last one repeats. */
const attemptsAt = (errors: ReadonlyArray<BackendError>, allowance: Allowance = always) =>
  Effect.gen(function* () {
    const at: Array<number> = []
    const attempt = Effect.gen(function* () {
      at.push(yield* monotonicMillis)
      return yield* errors[Math.min(at.length, errors.length) - 1] ?? busy
    })
    const fiber = yield* Effect.forkChild(Effect.flip(Effect.retry(attempt, retryPolicy(allowance))), {
      startImmediately: true
    })
    for (let tick = 0; tick < 1000; tick++) yield* TestClock.adjust(10)
    const error = yield* Fiber.join(fiber)
    return { at, error }
  })

describe("retryPolicy", () => {
  it.effect("makes three attempts, 100 and 200 ms apart", () =>
    Effect.gen(function* () {
      const { at, error } = yield* withoutJitter(attemptsAt([busy]))
      assert.deepStrictEqual(at, [0, 100, 300])
      assert.strictEqual(error, busy)
    })
  )

  const Fraction = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999 }))
  it.effect.prop(
    "jitters each wait by a fifth at most",
    { fraction: Fraction },
    ({ fraction }) =>
      Effect.gen(function* () {
        const dice = { nextDoubleUnsafe: () => fraction, nextIntUnsafe: () => 0 }
        const { at } = yield* Effect.provideService(attemptsAt([busy]), Random.Random, dice)
        const [first = 0, second = 0, third = 0] = at
        const factor = 0.8 + 0.4 * fraction
        // The clock ticks in steps of 10 ms.
        assert.isTrue(second - first >= 100 * factor - 1e-6 && second - first <= 100 * factor + 10)
        assert.isTrue(third - second >= 200 * factor - 10 && third - second <= 200 * factor + 10)
      }),
    { arbitrary: { runs: 10 } }
  )

  it.effect("waits for as long as the backend asked, if that is longer", () =>
    Effect.gen(function* () {
      const { at } = yield* withoutJitter(attemptsAt([busyFor(1500), busyFor(50)]))
      assert.deepStrictEqual(at, [0, 1500, 1700])
    })
  )

  it.effect("ends at an error that another attempt won't mend", () =>
    Effect.gen(function* () {
      for (const remedy of ["next", "absent", "give up"] as const) {
        const odd = backendError("api_response_format_error", remedy)
        const { at, error } = yield* withoutJitter(attemptsAt([busy, odd]))
        assert.deepStrictEqual(at.length, 2)
        assert.strictEqual(error, odd)
      }
    })
  )

  it.effect("ends when it isn't allowed another attempt, and asks only when it would make one", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const once: Allowance = (remedy) => Effect.sync(() => asked.push(remedy) <= 1)
      assert.deepStrictEqual((yield* withoutJitter(attemptsAt([busy], once))).at, [0, 100])
      assert.deepStrictEqual(asked, ["retry", "retry"])
      const refusedAt = asked.length
      yield* withoutJitter(attemptsAt([backendError("api_client_error", "give up")], once))
      assert.strictEqual(asked.length, refusedAt)
    })
  )

  it.effect("begins no wait that would pass the deadline, and spends nothing on it", () =>
    Effect.gen(function* () {
      let asked = 0
      const counting: Allowance = () => Effect.sync(() => ++asked > 0)
      const { at, error } = yield* withoutJitter(attemptsAt([busy], counting)).pipe(withinBudget(11_000))
      assert.deepStrictEqual([at, asked], [[0, 100, 300], 2])
      assert.strictEqual(error, busy)
      const late = yield* withoutJitter(attemptsAt([busyFor(60_000)], counting)).pipe(withinBudget(59_000))
      assert.deepStrictEqual([late.at.length, asked], [1, 2])
    })
  )
})

describe("makeAllowance", () => {
  it.effect("gives a request five attempts beyond the first, whatever the reason", () =>
    Effect.gen(function* () {
      const allowance = makeAllowance(yield* RetryBudget.make({ percent: 0, perSecond: 100 }))
      const given = yield* Effect.forEach(["retry", "next", "retry", "next", "next"] as const, allowance)
      assert.deepStrictEqual(given, [true, true, true, true, true])
      assert.isFalse(yield* allowance("retry"))
      assert.isFalse(yield* allowance("next"))
    })
  )

  it.effect("takes retries, and only those, out of the common budget", () =>
    Effect.gen(function* () {
      const budget = yield* RetryBudget.make({ percent: 0, perSecond: 0.2 })
      const [one, other] = [makeAllowance(budget), makeAllowance(budget)]
      assert.isTrue(yield* one("next"))
      assert.isTrue(yield* one("retry"))
      assert.isTrue(yield* other("retry"))
      assert.isFalse(yield* other("retry"))
      assert.isFalse(yield* one("retry"))
      assert.isTrue(yield* one("next"))
    })
  )

  it.effect("lets an endpoint that isn't there be passed at no cost", () =>
    Effect.gen(function* () {
      const allowance = makeAllowance(yield* RetryBudget.make({ percent: 0, perSecond: 100 }))
      for (let times = 0; times < 20; times++) assert.isTrue(yield* allowance("absent"))
      for (let times = 0; times < 5; times++) assert.isTrue(yield* allowance("next"))
      assert.isFalse(yield* allowance("next"))
      assert.isTrue(yield* allowance("absent"))
    })
  )
})
