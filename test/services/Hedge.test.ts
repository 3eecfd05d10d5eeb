import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type { HedgeRule } from "../../src/domain/Configuration.ts"
import { hedged } from "../../src/services/Hedge.ts"
import { monotonicMillis } from "../../src/services/MonotonicClock.ts"
import { failsWith, type Outcome, says } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { from, inferenceOver, named } from "../support/PoolHarness.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"

const Even = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))
const Side = Schema.Struct({ halfTakes: Even, succeeds: Schema.Boolean })

describe("any two", () => {
  it.effect.prop(
    "give the first success, or the failure of the first; the second is asked when it is due, and none goes on",
    { one: Side, other: Side, half: Even },
    ({ half, one, other }) =>
      Effect.gen(function* () {
        // No two things happen at the same time.
        const [first, second, patience] = [one.halfTakes * 2, other.halfTakes * 2, half * 2 + 1]
        const running = new Set<string>()
        let askedAt: number | undefined
        const now = monotonicMillis
        const side = (name: string, takes: number, succeeds: boolean) =>
          Effect.suspend(() => {
            running.add(name)
            const end = succeeds ? Effect.succeed(name) : Effect.fail(name)
            return Effect.ensuring(
              Effect.andThen(Effect.sleep(takes), end),
              Effect.sync(() => running.delete(name))
            )
          })
        const start = yield* now
        const fiber = yield* forked(
          hedged({
            first: (begun: (whom: string) => void) =>
              Effect.suspend(() => {
                begun("first")
                return side("first", first, one.succeeds)
              }),
            patience: () => patience,
            second: () =>
              Effect.flatMap(now, (at) => {
                askedAt = at - start
                return side("second", second, other.succeeds)
              })
          }).pipe(
            Effect.result,
            Effect.flatMap((result) => Effect.map(now, (at) => ({ result: Result.merge(result), at: at - start })))
          )
        )
        for (let at = 0; at < 45; at++) yield* TestClock.adjust(1)
        const late = first > patience
        const secondEnds = patience + second
        const bySecond = late && other.succeeds && (!one.succeeds || secondEnds < first)
        const outcome = yield* Fiber.join(fiber)
        assert.strictEqual(outcome.result, bySecond ? "second" : "first")
        const bothFail = late && !one.succeeds && !other.succeeds
        assert.strictEqual(outcome.at, bySecond ? secondEnds : bothFail ? Math.max(first, secondEnds) : first)
        assert.strictEqual(askedAt, late ? patience : undefined)
        assert.strictEqual(running.size, 0)
      })
  )
})

const slow = (seconds: number, outcome: Outcome) => Effect.delay(outcome, `${seconds} seconds`)

const over = Effect.fnUntraced(function* (
  hedge: HedgeRule,
  a: ReadonlyArray<Outcome>,
  b: ReadonlyArray<Outcome>,
  settings: Readonly<Record<string, string>> = {}
) {
  const [one, other] = [named("a", { chat: a }), named("b", { chat: b })]
  const inference = yield* inferenceOver(
    [
      { backend: one.backend, slots: 1 },
      { backend: other.backend, slots: 1 }
    ],
    [{ models: ["*"], backends: ["a", "b"], hedge }],
    settings
  )
  const hedges = Effect.map(inference.metrics.render, (text) => {
    const samples = parseMetrics(text)
    return ["won", "lost"].map((outcome) =>
      sampleValue(samples, "ai_ticket_backend_hedges_total", { backend: "b", outcome })
    )
  })
  return { ...inference, a: one, b: other, hedges }
})

describe("a hedged route", () => {
  it.effect("asks another backend when the first is slow, and gives the loser's slot back", () =>
    Effect.gen(function* () {
      const { a, ask, b, hedges, line } = yield* over({ after_ms: 2000 }, [slow(60, says("late"))], [says("soon")])
      const client = from("1.1.1.1")
      const fiber = yield* forked(client.being(ask()))
      yield* TestClock.adjust(1999)
      assert.strictEqual(b.attempts.length, 0)
      yield* TestClock.adjust(1)
      const answer = yield* Fiber.join(fiber)
      assert.deepStrictEqual([answer.text, answer.backend], ["soon", "b"])
      assert.deepStrictEqual([a.interrupted.length, yield* line.inUse], [1, 0])
      assert.deepStrictEqual(yield* hedges, [1, 0])
      assert.strictEqual(client.record.backendMillis, 2000)
    })
  )

  it.effect("keeps to the first where it is quicker after all, or the second fails", () =>
    Effect.gen(function* () {
      for (const second of [slow(60, says("later")), failsWith("api_client_error", "give up")]) {
        const { ask, hedges, line } = yield* over({ after_ms: 2000 }, [slow(3, says("first"))], [second])
        const fiber = yield* forked(ask())
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual((yield* Fiber.join(fiber)).text, "first")
        assert.deepStrictEqual([yield* line.inUse, ...(yield* hedges)], [0, 0, 1])
      }
    })
  )

  it.effect("asks nobody a second time who has failed beside the first", () =>
    Effect.gen(function* () {
      const refused = failsWith("api_response_format_error", "next")
      const { a, ask, b } = yield* over({ after_ms: 2000 }, [slow(3, refused)], [refused])
      const fiber = yield* forked(Effect.flip(ask()))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).code, "api_response_format_error")
      assert.deepStrictEqual([a.attempts.length, b.attempts.length], [1, 1])
    })
  )

  it.effect("doesn't wait for a slot, nor go beyond the budget for retries", () =>
    Effect.gen(function* () {
      const busy = yield* over({ after_ms: 2000 }, [slow(5, says("a"))], [slow(5, says("b"))])
      const fibers = yield* Effect.forEach([1, 2, 3], () => forked(busy.ask()))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual([busy.a.attempts.length, busy.b.attempts.length], [1, 1])
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.joinAll(fibers)

      const poor = yield* over({ after_ms: 2000 }, [slow(5, says("a"))], [says("b")], {
        AI_TICKET_RETRY_BUDGET_PERCENT: "0",
        AI_TICKET_RETRY_BUDGET_PER_SECOND: "0"
      })
      const fiber = yield* forked(poor.ask())
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).backend, "a")
      assert.strictEqual(poor.b.attempts.length, 0)
    })
  )

  it.effect("ends both when nobody waits any more", () =>
    Effect.gen(function* () {
      const { a, ask, b, hedges, line } = yield* over({ after_ms: 2000 }, [Effect.never], [Effect.never])
      const fiber = yield* forked(ask())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* line.inUse, 2)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([a.interrupted.length, b.interrupted.length, yield* line.inUse], [1, 1, 0])
      assert.deepStrictEqual(yield* hedges, [0, 1])
    })
  )

  it.effect("with p95 learns what is slow from twenty answers", () =>
    Effect.gen(function* () {
      const quick = Array.from({ length: 20 }, () => slow(1, says("quick")))
      const { a, ask, b } = yield* over({ after: "p95" }, [...quick.slice(1), slow(10, says("slow"))], [says("b")])
      const askFor = (seconds: number) =>
        Effect.gen(function* () {
          const fiber = yield* forked(ask())
          yield* TestClock.adjust(`${seconds} seconds`)
          return yield* Fiber.join(fiber)
        })
      for (let at = 0; at < 19; at++) yield* askFor(1)
      // The twentieth is slow, and too few are known to say so.
      assert.strictEqual((yield* askFor(10)).backend, "a")
      assert.strictEqual(b.attempts.length, 0)
      assert.strictEqual((yield* askFor(1)).backend, "b")
      assert.strictEqual(a.attempts.length, 21)
    })
  )
})
