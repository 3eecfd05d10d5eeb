import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { millisOf } from "../../src/services/MonotonicClock.ts"
import { makeTimer } from "../../src/services/Timer.ts"

/**
 * When it is asked for, for when, and when it is called off, if at all: each so long after the one before. Nobody calls
 * off in the very moment, when either may come first.
 */
const even = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 }), Schema.isMultipleOf(2))
const Wish = Schema.Struct({ wait: even, ahead: even, calledOffAfter: Schema.NullOr(even) })

describe("makeTimer", () => {
  it.effect.prop(
    "calls each at its moment, once, and none that was called off before",
    { wishes: Schema.Array(Wish) },
    ({ wishes }) =>
      Effect.gen(function* () {
        const timer = yield* makeTimer
        const clock = yield* Clock.Clock
        const begun = millisOf(clock)
        const called = wishes.map((): Array<number> => [])
        const expected: Array<ReadonlyArray<number>> = []
        let asked = 0
        for (const [index, { ahead, calledOffAfter, wait }] of wishes.entries()) {
          asked += wait
          const moment = asked + ahead
          expected.push(calledOffAfter !== null && calledOffAfter + 1 < ahead ? [] : [moment])
          const ask = Effect.gen(function* () {
            const callOff = timer.at(begun + moment, () => called[index]?.push(millisOf(clock) - begun))
            if (calledOffAfter === null) return
            yield* Effect.sleep(calledOffAfter + 1)
            callOff()
          })
          yield* Effect.forkScoped(Effect.delay(ask, asked), { startImmediately: true })
        }
        yield* TestClock.adjust(asked + 100)
        assert.deepStrictEqual(called, expected)
      }).pipe(Effect.scoped)
  )

  it.effect("calls at once for a moment that has passed, or is now", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(1000)
      const timer = yield* makeTimer
      let called = 0
      const call = () => {
        called += 1
      }
      timer.at(999, call)
      timer.at(1000, call)()
      assert.strictEqual(called, 2)
      yield* TestClock.adjust(1000)
      assert.strictEqual(called, 2)
    })
  )

  it.effect("calls many at one moment, and not a millisecond before", () =>
    Effect.gen(function* () {
      const timer = yield* makeTimer
      let called = 0
      for (let at = 0; at < 10_000; at++) {
        timer.at(500, () => {
          called += 1
        })
      }
      yield* TestClock.adjust(499)
      assert.strictEqual(called, 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(called, 10_000)
    })
  )

  it.effect("lets a call ask for another one, and call off one of the same moment", () =>
    Effect.gen(function* () {
      const timer = yield* makeTimer
      const called: Array<string> = []
      timer.at(10, () => {
        called.push("first")
        callOffSecond()
        timer.at(10, () => called.push("at once"))
        timer.at(20, () => called.push("later"))
      })
      const callOffSecond = timer.at(10, () => called.push("second"))
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(called, ["first", "at once"])
      callOffSecond()
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(called, ["first", "at once", "later"])
    })
  )

  it.effect("calls the later ones when the earliest was called off", () =>
    Effect.gen(function* () {
      const timer = yield* makeTimer
      const called: Array<number> = []
      for (const moment of [30, 20]) timer.at(moment, () => called.push(moment))
      timer.at(10, () => called.push(10))()
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(called, [20])
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(called, [20, 30])
    })
  )

  it.effect("calls nobody once its scope is closed", () =>
    Effect.gen(function* () {
      let called = false
      yield* Effect.scoped(
        Effect.map(makeTimer, (timer) =>
          timer.at(10, () => {
            called = true
          })
        )
      )
      yield* TestClock.adjust(20)
      assert.isFalse(called)
    })
  )
})
