import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { LaneOptions } from "../../src/services/Backends.ts"
import type { Begun } from "../../src/services/InferenceBackend.ts"
import { failsWith, type Outcome, says } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { inferenceOver, named } from "../support/PoolHarness.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"

/** A backend that is probed every ten seconds, when that was, and a way to change how it takes it. */
const probed = (name: string, outcomes: ReadonlyArray<Outcome>, more: Partial<LaneOptions> = {}) => {
  const fake = named(name, { chat: outcomes })
  const probes: Array<number> = []
  const state = { answers: Effect.succeed(true) as Effect.Effect<boolean> }
  const status = Effect.clockWith((clock) => {
    probes.push(clock.currentTimeMillisUnsafe())
    return Effect.map(state.answers, (reachable) => ({ reachable }))
  })
  const lane: LaneOptions = { backend: { ...fake.backend, status }, slots: 2, probeMillis: 10_000, ...more }
  return { ...fake, lane, probes, state }
}

/** Seconds, in steps that are short beside what is waited for: whoever wakes reads the time after the step. */
const pass = (seconds: number) => Effect.repeat(TestClock.adjust("100 millis"), { times: Math.round(seconds * 10) - 1 })

/** What a status call comes to that nobody answers. */
const silent = Effect.delay(Effect.succeed(false), "2 seconds")

const breakerOf = ({ backends }: Effect.Success<ReturnType<typeof inferenceOver>>, at = 0) =>
  Effect.suspend(() => backends.lanes()[at]?.breaker.state ?? Effect.succeed(undefined))

describe("a backend that is good", () => {
  it.effect("is not probed while its requests are answered", () =>
    Effect.gen(function* () {
      const one = probed("one", [says("yes")])
      const { ask } = yield* inferenceOver([one.lane])
      for (let at = 0; at < 50; at++) {
        yield* pass(7)
        yield* ask()
      }
      assert.deepStrictEqual(one.probes, [])
    })
  )

  it.effect("is not probed while a stream of it goes on", () =>
    Effect.gen(function* () {
      const parts: Begun["parts"] = Effect.delay(
        Effect.succeed([{ _tag: "Text", text: "a", tokens: 1 }] as const),
        "5 seconds"
      )
      const fake = named("one", {}, { chat: [Effect.succeed({ parts })] })
      let probes = 0
      const status = Effect.sync(() => {
        probes += 1
        return { reachable: true }
      })
      const { stream } = yield* inferenceOver([{ backend: { ...fake.backend, status }, slots: 1, probeMillis: 10_000 }])
      const reading = yield* forked(stream)
      for (let at = 0; at < 20; at++) yield* pass(5)
      assert.strictEqual(probes, 0)
      yield* Fiber.interrupt(reading)
    })
  )

  it.effect("is probed about every ten seconds while it has nothing to do, and not in step", () =>
    Effect.gen(function* () {
      const [one, other] = [probed("one", []), probed("other", [])]
      const { metrics } = yield* inferenceOver([one.lane, other.lane])
      yield* pass(200)
      for (const { probes } of [one, other]) {
        assert.isAtLeast(probes.length, 15)
        for (const [at, probe] of probes.entries()) {
          const wait = probe - (probes[at - 1] ?? 0)
          assert.isTrue(wait >= 8000 && wait <= 12_100, `${wait} ms`)
        }
      }
      assert.notDeepEqual(one.probes, other.probes)
      const counted = sampleValue(parseMetrics(yield* metrics.render), "ai_ticket_backend_probes_total", {
        ...{ backend: "one", outcome: "answered" }
      })
      assert.strictEqual(counted, one.probes.length)
    })
  )

  it.effect("is not probed where its settings say so", () =>
    Effect.gen(function* () {
      const one = probed("one", [failsWith("api_connection_error", "next")], { probeMillis: undefined })
      const { ask } = yield* inferenceOver([one.lane])
      yield* Effect.repeat(Effect.exit(ask()), { times: 20 })
      yield* pass(100)
      assert.deepStrictEqual(one.probes, [])
    })
  )

  it.effect("is not probed any more when it is no backend any more, though it has a request in hand", () =>
    Effect.gen(function* () {
      const [one, other] = [probed("one", [Effect.never]), probed("other", [])]
      const { ask, backends } = yield* inferenceOver([one.lane])
      const asking = yield* forked(Effect.exit(ask()))
      yield* backends.apply({ lanes: [other.lane], routes: [] })
      yield* pass(60)
      assert.strictEqual(one.probes.length, 0)
      assert.isAbove(other.probes.length, 0)
      yield* Fiber.interrupt(asking)
    })
  )
})

describe("a backend that takes connections and never answers", () => {
  const hung = Effect.gen(function* () {
    const [one, other] = [probed("hung", [Effect.never, says("back")]), probed("other", [says("yes")], { tier: 2 })]
    one.state.answers = silent
    const inference = yield* inferenceOver([one.lane, other.lane])
    const stuck = yield* forked(inference.ask())
    assert.strictEqual(one.attempts.length, 1)
    yield* pass(20.5)
    return { ...inference, inference, one, other, stuck }
  })

  it.effect(
    "is found out within 20 seconds: what it has in hand is asked for elsewhere, and nothing more goes there",
    () =>
      Effect.gen(function* () {
        const { ask, inference, one, stuck } = yield* hung
        assert.strictEqual(yield* breakerOf(inference), "open")
        assert.strictEqual((yield* Fiber.join(stuck)).backend, "other")
        assert.strictEqual((yield* ask()).backend, "other")
        assert.strictEqual(one.attempts.length, 1)
        assert.deepStrictEqual(one.interrupted, ["chat"])
      })
  )

  it.effect("is taken in by a probe: no request is lost on it before it answers, and none is needed", () =>
    Effect.gen(function* () {
      const { ask, inference, one } = yield* hung
      yield* Effect.repeat(
        Effect.andThen(
          TestClock.adjust("1 second"),
          Effect.map(ask(), ({ backend }) => backend)
        ).pipe(Effect.tap((backend) => Effect.sync(() => assert.strictEqual(backend, "other")))),
        { times: 120 }
      )
      assert.strictEqual(one.attempts.length, 1)
      one.state.answers = Effect.succeed(true)
      yield* pass(36)
      assert.deepStrictEqual([yield* breakerOf(inference), one.attempts.length], ["closed", 1])
      assert.strictEqual((yield* ask()).backend, "hung")
    })
  )

  it.effect("keeps what it has in hand where there is nobody else to ask", () =>
    Effect.gen(function* () {
      const one = probed("hung", [Effect.delay(says("late"), "1 minute")])
      one.state.answers = silent
      const inference = yield* inferenceOver([one.lane])
      const stuck = yield* forked(inference.ask())
      yield* pass(30)
      assert.strictEqual(yield* breakerOf(inference), "open")
      assert.strictEqual((yield* Effect.flip(inference.ask())).code, "no_backend_available")
      yield* pass(30)
      assert.strictEqual((yield* Fiber.join(stuck)).text, "late")
    })
  )

  it.effect("is not down for two probes that nobody answers", () =>
    Effect.gen(function* () {
      const one = probed("one", [])
      const inference = yield* inferenceOver([one.lane])
      for (let time = 0; time < 10; time++) {
        one.state.answers = Effect.succeed(false)
        const before = one.probes.length
        while (one.probes.length < before + 2) yield* pass(0.1)
        one.state.answers = Effect.succeed(true)
        while (one.probes.length < before + 3) yield* pass(0.1)
      }
      assert.strictEqual(yield* breakerOf(inference), "closed")
    })
  )
})

describe("a backend that fails at its requests and answers its probes", () => {
  const broken = failsWith("api_server_error", "next")
  const failing = Effect.gen(function* () {
    const one = probed("one", [...Array.from({ length: 11 }, () => broken), says("back")])
    const inference = yield* inferenceOver([one.lane])
    for (let at = 0; at < 10; at++) {
      yield* Effect.exit(inference.ask())
      // Long enough for probes, whose success must not make it good.
      yield* pass(3)
    }
    return { ...inference, inference, one }
  })

  it.effect("is down all the same, and gets one request when a probe is answered", () =>
    Effect.gen(function* () {
      const { ask, inference, one } = yield* failing
      assert.isAtLeast(one.probes.length, 10)
      assert.deepStrictEqual([yield* breakerOf(inference), one.attempts.length], ["half_open", 10])
      assert.strictEqual((yield* Effect.flip(ask())).code, "api_server_error")
      assert.strictEqual(yield* breakerOf(inference), "open")
      assert.strictEqual((yield* Effect.flip(ask())).code, "no_backend_available")
      yield* pass(3)
      assert.strictEqual(yield* breakerOf(inference), "half_open")
      assert.strictEqual((yield* ask()).text, "back")
      assert.deepStrictEqual([yield* breakerOf(inference), one.attempts.length], ["closed", 12])
    })
  )

  it.effect("gets none while probes find it silent", () =>
    Effect.gen(function* () {
      const { ask, inference, one } = yield* failing
      yield* Effect.exit(ask())
      one.state.answers = Effect.succeed(false)
      yield* pass(120)
      assert.strictEqual((yield* Effect.flip(ask())).code, "no_backend_available")
      assert.deepStrictEqual([yield* breakerOf(inference), one.attempts.length], ["open", 11])
    })
  )
})
