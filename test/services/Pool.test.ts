import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { Lane } from "../../src/services/Backends.ts"
import { backendError, failsWith, says, streams } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { inferenceOver, named } from "../support/PoolHarness.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"

const slow = Effect.delay(says("yes"), "1 second")
const down = Effect.fail(backendError("api_connection_error", "retry"))
const gone = failsWith("api_connection_error", "retry")
const unusable = failsWith("api_response_format_error", "next")
const noRetries = { AI_TICKET_RETRY_BUDGET_PERCENT: "0", AI_TICKET_RETRY_BUDGET_PER_SECOND: "0" }

describe("several backends", () => {
  it.effect("share the work, each with as many requests as it has slots", () =>
    Effect.gen(function* () {
      const [a, b] = [named("a", { chat: [slow] }), named("b", { chat: [slow] })]
      const { ask } = yield* inferenceOver([
        { backend: a.backend, slots: 1 },
        { backend: b.backend, slots: 2 }
      ])
      const fibers = yield* Effect.forEach([1, 2, 3, 4], () => forked(ask()))
      assert.deepStrictEqual([a.attempts.length, b.attempts.length], [1, 2])
      yield* TestClock.adjust("2 seconds")
      const answers = yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(new Set(answers.map(({ backend }) => backend)), new Set(["a", "b"]))
      assert.strictEqual(a.attempts.length + b.attempts.length, 4)
    })
  )

  it.effect("share it by weight: who is fit for three times the work has three of four", () =>
    Effect.gen(function* () {
      const [light, heavy] = [named("light", { chat: [slow] }), named("heavy", { chat: [slow] })]
      const { ask } = yield* inferenceOver([
        { backend: light.backend, slots: 4 },
        { backend: heavy.backend, slots: 4, weight: 3 }
      ])
      const fibers = yield* Effect.forEach([1, 2, 3, 4], () => forked(ask()))
      assert.deepStrictEqual([light.attempts.length, heavy.attempts.length], [1, 3])
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(fibers)
    })
  )

  it.effect("answer for one that fails", () =>
    Effect.gen(function* () {
      const [a, b] = [named("a", { chat: [gone] }), named("b", { chat: [says("yes")] })]
      const { ask, metrics } = yield* inferenceOver([
        { backend: a.backend, slots: 1 },
        { backend: b.backend, slots: 1, tier: 2 }
      ])
      const fiber = yield* forked(ask())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).backend, "b")
      assert.deepStrictEqual([a.attempts.length, b.attempts.length], [3, 1])
      const samples = parseMetrics(yield* metrics.render)
      const fallbacks = (backend: string) => sampleValue(samples, "ai_ticket_backend_fallbacks_total", { backend })
      assert.deepStrictEqual([fallbacks("a"), fallbacks("b")], [1, 0])
    })
  )

  it.effect("are asked whatever the budget for retries: for the next one it is the first time", () =>
    Effect.gen(function* () {
      for (const failure of [unusable, failsWith("api_client_error", "absent"), gone]) {
        const { ask } = yield* inferenceOver(
          [
            { backend: named("a", { chat: [failure] }).backend, slots: 1 },
            { backend: named("b", { chat: [says("yes")] }).backend, slots: 1, tier: 2 }
          ],
          [],
          noRetries
        )
        assert.strictEqual((yield* ask()).backend, "b")
      }
    })
  )

  it.effect("are asked again by a request that they failed, once it has tried another for a while", () =>
    Effect.gen(function* () {
      const [a, b] = [
        named("a", { chat: [unusable, says("yes")] }),
        named("b", { chat: [Effect.delay(unusable, "6 seconds")] })
      ]
      const { ask } = yield* inferenceOver([
        { backend: a.backend, slots: 1 },
        { backend: b.backend, slots: 1, tier: 2 }
      ])
      const fiber = yield* forked(ask())
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).backend, "a")
      assert.deepStrictEqual([a.attempts.length, b.attempts.length], [2, 1])
    })
  )

  it.effect("are asked again by a request that they failed, when the one that it waits for goes down", () =>
    Effect.gen(function* () {
      const [a, b] = [named("a", { chat: [unusable, says("yes")] }), named("b", { chat: [says("never asked")] })]
      const { ask, backends, line } = yield* inferenceOver([
        { backend: a.backend, slots: 1 },
        { backend: b.backend, slots: 1, tier: 2 }
      ])
      const onB = (lane: Lane) => (lane.backend.name === "b" ? 1 : undefined)
      const holder = yield* forked(line.withSlot(onB, () => Effect.never))
      const fiber = yield* forked(ask())
      yield* TestClock.adjust("6 seconds")
      const breakB = Effect.forEach(backends.lanes().filter(onB), ({ breaker }) => Effect.ignore(breaker.guard(down)))
      yield* Effect.repeat(breakB, { times: 9 })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).backend, "a")
      yield* Fiber.interrupt(holder)
    })
  )

  it.effect("are not asked again at once, nor a third time, nor beyond the budget for retries", () =>
    Effect.gen(function* () {
      const attempts = Effect.fnUntraced(function* (takes: Duration.Input, settings = {}) {
        const [a, b] = [named("a", { chat: [unusable] }), named("b", { chat: [Effect.delay(unusable, takes)] })]
        const { ask } = yield* inferenceOver(
          [
            { backend: a.backend, slots: 1 },
            { backend: b.backend, slots: 1, tier: 2 }
          ],
          [],
          settings
        )
        const fiber = yield* forked(Effect.flip(ask()))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(fiber)).code, "api_response_format_error")
        return [a.attempts.length, b.attempts.length]
      })
      assert.deepStrictEqual(yield* attempts("4 seconds"), [1, 1])
      assert.deepStrictEqual(yield* attempts("6 seconds"), [2, 1])
      assert.deepStrictEqual(yield* attempts("6 seconds", noRetries), [1, 1])
    })
  )

  it.effect("tell the error of the last when all fail, and what a refusal says at once", () =>
    Effect.gen(function* () {
      const refusing = named("b", { chat: [failsWith("api_client_error", "give up")] })
      const third = named("c", { chat: [says("never asked")] })
      const { ask } = yield* inferenceOver([
        { backend: named("a", { chat: [gone] }).backend, slots: 1 },
        { backend: refusing.backend, slots: 1, tier: 2 },
        { backend: third.backend, slots: 1, tier: 3 }
      ])
      const fiber = yield* forked(Effect.flip(ask()))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber)).code, "api_client_error")
      assert.strictEqual(third.attempts.length, 0)
    })
  )

  it.effect("of a later tier are spared while one of an earlier tier is up, even if it is busy", () =>
    Effect.gen(function* () {
      const [a, b] = [named("a", { chat: [slow] }), named("b", { chat: [says("yes")] })]
      const { ask, line } = yield* inferenceOver([
        { backend: a.backend, slots: 1 },
        { backend: b.backend, slots: 1, tier: 2 }
      ])
      const fibers = yield* Effect.forEach([1, 2], () => forked(ask()))
      assert.strictEqual(yield* line.waiting, 1)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual([a.attempts.length, b.attempts.length], [2, 0])
    })
  )

  it.effect("take over those who wait for one that goes down", () =>
    Effect.gen(function* () {
      const failing = Effect.delay(gone, "1 second")
      const [a, b] = [named("a", { chat: [failing] }), named("b", { chat: [says("yes")] })]
      const { ask } = yield* inferenceOver([
        { backend: a.backend, slots: 10 },
        { backend: b.backend, slots: 10, tier: 2 }
      ])
      const fibers = yield* Effect.forEach(Array.from({ length: 15 }), () => forked(ask()))
      yield* TestClock.adjust("20 seconds")
      const answers = yield* Fiber.joinAll(fibers)
      assert.isTrue(answers.every(({ backend }) => backend === "b"))
    })
  )

  it.effect("stream, and answer for one whose stream fails before its first token", () =>
    Effect.gen(function* () {
      const a = named("a", {}, { chat: [Effect.fail(backendError("api_connection_error", "retry"))] })
      const b = named("b", {}, { chat: [streams("y", "es")] })
      const { line, stream } = yield* inferenceOver([
        { backend: a.backend, slots: 1 },
        { backend: b.backend, slots: 1, tier: 2 }
      ])
      const fiber = yield* forked(stream)
      yield* TestClock.adjust("1 second")
      const [start, ...rest] = yield* Fiber.join(fiber)
      assert.deepStrictEqual(start, { _tag: "Start", backend: "b", endpoint: "chat" })
      assert.strictEqual(rest.length, 3)
      assert.strictEqual(yield* line.inUse, 0)
    })
  )

  it.effect("are not thought quick for failing quickly, nor for being left", () =>
    Effect.gen(function* () {
      for (const quickly of [unusable, Effect.never]) {
        const well = named("well", { chat: [slow] }, { chat: [Effect.andThen(Effect.sleep("1 second"), streams("y"))] })
        const broken = named("broken", { chat: [quickly] }, { chat: [Effect.andThen(quickly, streams("y"))] })
        const { ask, stream } = yield* inferenceOver([
          { backend: well.backend, slots: 1 },
          { backend: broken.backend, slots: 1 }
        ])
        const first = yield* forked(ask())
        const second = yield* forked(ask())
        const third = yield* forked(stream)
        yield* TestClock.adjust(10)
        yield* Fiber.interruptAll([second, third])
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(first)
        const before = broken.attempts.length
        const last = yield* forked(ask())
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(last)
        assert.deepStrictEqual([before, broken.attempts.length], [2, 2])
      }
    })
  )

  it.effect("go by what they take: the quicker one gets more", () =>
    Effect.gen(function* () {
      const quick = named("quick", { chat: [slow] })
      const lame = named("lame", { chat: [Effect.delay(says("yes"), "10 seconds")] })
      const { ask } = yield* inferenceOver([
        { backend: lame.backend, slots: 4 },
        { backend: quick.backend, slots: 4 }
      ])
      const asks = Effect.gen(function* () {
        for (let at = 0; at < 10; at++) yield* ask()
      })
      const fibers = yield* Effect.forEach([1, 2], () => forked(asks))
      yield* TestClock.adjust("100 seconds")
      yield* Fiber.joinAll(fibers)
      assert.isAbove(quick.attempts.length, lame.attempts.length * 3)
    })
  )
})
