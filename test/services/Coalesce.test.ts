import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { makeCoalesce } from "../../src/services/Coalesce.ts"
import { forked } from "../support/Forked.ts"

const Ticks = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))
const Visitor = Schema.Struct({
  key: Schema.Literals(["a", "b"]),
  arrives: Ticks,
  /** When it has had enough; 0 for one that stays. */
  patience: Ticks
})
type Visitor = typeof Visitor.Type
const Run = Schema.Struct({ takes: Ticks, ends: Schema.Literals(["well", "badly", "in a bug"]) })

const lastTick = 30

describe("any coming and going", () => {
  it.effect.prop(
    "gets each who stays one outcome, of one run at a time for a key, which runs exactly while somebody waits",
    { visitors: Schema.Array(Visitor).check(Schema.isMaxLength(12)), runs: Schema.NonEmptyArray(Run) },
    ({ runs, visitors }) =>
      Effect.gen(function* () {
        const coalesce = yield* makeCoalesce<number, number>()
        const running = { a: new Set<number>(), b: new Set<number>() }
        const waiting = { a: 0, b: 0 }
        const ended: Array<Exit.Exit<number, number>> = []
        let started = 0
        let most = 0

        const run = (key: "a" | "b") =>
          Effect.suspend(() => {
            const number = started++
            const { ends, takes } = runs[number % runs.length] ?? runs[0]
            running[key].add(number)
            most = Math.max(most, running[key].size)
            const end = ends === "well" ? Effect.succeed(number) : Effect.fail(number)
            return Effect.sleep(takes).pipe(
              Effect.andThen(ends === "in a bug" ? Effect.die(number) : end),
              Effect.onExit((exit) => {
                running[key].delete(number)
                ended.push(exit)
                return Effect.void
              })
            )
          })
        const outcomes = visitors.map(() => 0)
        const visit = ({ arrives, key, patience }: Visitor, index: number) =>
          Effect.suspend(() => {
            waiting[key] += 1
            return coalesce(key, run(key), (answer) => answer).pipe(
              Effect.onExit(() => {
                waiting[key] -= 1
                return Effect.void
              }),
              Effect.exit,
              Effect.tap(() =>
                Effect.sync(() => {
                  outcomes[index] = (outcomes[index] ?? 0) + 1
                })
              ),
              Effect.timeoutOption(patience === 0 ? "1 day" : patience)
            )
          }).pipe(Effect.delay(arrives), forked)

        const fibers = yield* Effect.forEach(visitors, visit)
        for (let at = 0; at < lastTick; at++) {
          yield* TestClock.adjust(1)
          for (const key of ["a", "b"] as const) assert.strictEqual(running[key].size, waiting[key] > 0 ? 1 : 0)
        }
        const exits = yield* Fiber.joinAll(fibers)
        exits.forEach((exit, index) => {
          if (visitors[index]?.patience === 0) assert.strictEqual(outcomes[index], 1)
          if (Option.isNone(exit)) return
          assert.isFalse(Exit.hasInterrupts(exit.value))
          assert.isTrue(ended.some((outcome) => Equal.equals(outcome, exit.value)))
        })
        assert.isAtMost(most, 1)
      })
  )
})

describe("those who ask for the same", () => {
  it.effect("know whether they began it, and get the failure that it comes to", () =>
    Effect.gen(function* () {
      const coalesce = yield* makeCoalesce<string, string>()
      const fails = Effect.delay(Effect.fail("down"), "1 second")
      const ask = coalesce("key", fails, (answer, joined) =>
        Effect.map(Effect.flip(answer), (error) => ({ error, joined }))
      )
      const fibers = [yield* forked(ask), yield* forked(ask)]
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.joinAll(fibers), [
        { error: "down", joined: false },
        { error: "down", joined: true }
      ])
    })
  )

  it.effect("ask anew once it has ended", () =>
    Effect.gen(function* () {
      const coalesce = yield* makeCoalesce<number>()
      let runs = 0
      const ask = coalesce(
        "key",
        Effect.sync(() => ++runs),
        (answer) => answer
      )
      assert.deepStrictEqual([yield* ask, yield* ask], [1, 2])
    })
  )
})
