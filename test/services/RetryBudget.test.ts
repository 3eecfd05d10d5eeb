import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { monotonicMillis } from "../../src/services/MonotonicClock.ts"
import { RetryBudget } from "../../src/services/RetryBudget.ts"

type Budget = RetryBudget["Service"]

const drain = (budget: Budget) =>
  Effect.gen(function* () {
    let spent = 0
    while (yield* budget.withdraw) spent += 1
    return spent
  })
const deposits = (budget: Budget, count: number) =>
  Effect.map(monotonicMillis, (now) => {
    for (let at = 0; at < count; at++) budget.deposit(now)
  })

describe("RetryBudget", () => {
  it.effect("begins full: ten seconds' worth of the floor, and the share of a hundred requests", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* drain(yield* RetryBudget.make({ percent: 20, perSecond: 3 })), 50)
      assert.strictEqual(yield* drain(yield* RetryBudget.make({ percent: 0, perSecond: 3 })), 30)
      assert.strictEqual(yield* drain(yield* RetryBudget.make({ percent: 20, perSecond: 0 })), 20)
    })
  )

  it.effect("adds a share of every request", () =>
    Effect.gen(function* () {
      const budget = yield* RetryBudget.make({ percent: 25, perSecond: 1 })
      yield* drain(budget)
      yield* deposits(budget, 3)
      assert.isFalse(yield* budget.withdraw)
      yield* deposits(budget, 1)
      assert.strictEqual(yield* drain(budget), 1)
    })
  )

  it.effect("adds the floor as time passes", () =>
    Effect.gen(function* () {
      const budget = yield* RetryBudget.make({ percent: 0, perSecond: 2 })
      yield* drain(budget)
      yield* TestClock.adjust(499)
      assert.isFalse(yield* budget.withdraw)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* drain(budget), 1)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* drain(budget), 6)
    })
  )

  it.effect("saves no more than that", () =>
    Effect.gen(function* () {
      for (const [percent, perSecond, most] of [
        [100, 2, 120],
        [20, 0, 20],
        [0, 2, 20]
      ] as const) {
        const budget = yield* RetryBudget.make({ percent, perSecond })
        yield* drain(budget)
        yield* TestClock.adjust("1 hour")
        yield* deposits(budget, 1000)
        assert.strictEqual(yield* drain(budget), most)
      }
    })
  )

  it.effect("saves whole retries out of traffic alone when there is no floor", () =>
    Effect.gen(function* () {
      const budget = yield* RetryBudget.make({ percent: 10, perSecond: 0 })
      yield* drain(budget)
      yield* TestClock.adjust("1 hour")
      yield* deposits(budget, 9)
      assert.isFalse(yield* budget.withdraw)
      yield* deposits(budget, 2)
      assert.isTrue(yield* budget.withdraw)
    })
  )

  it.effect("is never one to spend from when both share and floor are nought", () =>
    Effect.gen(function* () {
      assert.isFalse(yield* (yield* RetryBudget.make({ percent: 0, perSecond: 0 })).withdraw)
    })
  )

  const Step = Schema.Union([
    Schema.TaggedStruct("Requests", { count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })) }),
    Schema.TaggedStruct("Pause", { millis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20_000 })) }),
    Schema.TaggedStruct("Retries", { count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 80 })) })
  ])
  const Steps = Schema.Array(Step).check(Schema.isMaxLength(25))
  const Share = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 150 }))
  const Floor = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
  it.effect.prop(
    "never gives more than its capacity, the share of requests and the floor over time",
    { steps: Steps, percent: Share, perSecond: Floor },
    ({ percent, perSecond, steps }) =>
      Effect.gen(function* () {
        const budget = yield* RetryBudget.make({ percent, perSecond })
        let most = perSecond * 10 + percent
        let spent = 0
        for (const step of steps) {
          if (step._tag === "Requests") {
            most += (step.count * percent) / 100
            yield* deposits(budget, step.count)
          } else if (step._tag === "Pause") {
            most += (step.millis / 1000) * perSecond
            yield* TestClock.adjust(step.millis)
          } else {
            for (let at = 0; at < step.count; at++) if (yield* budget.withdraw) spent += 1
          }
          assert.isAtMost(spent, most + 1e-6)
        }
      })
  )
})
