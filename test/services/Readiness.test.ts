import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Backends } from "../../src/services/Backends.ts"
import type { BackendStatus } from "../../src/services/InferenceBackend.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { Readiness } from "../../src/services/Readiness.ts"
import { Settings } from "../../src/services/Settings.ts"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { backendError, onlyLane, says, streams } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { movableClock } from "../support/MovableClock.ts"

/** An instance whose backend is as the test says, and how often the backend was asked. */
const instance = Effect.gen(function* () {
  const backend: { status: BackendStatus; asked: number } = { status: { reachable: true }, asked: 0 }
  const status = Effect.sync(() => {
    backend.asked += 1
    return backend.status
  })
  const endpoints = [
    { name: "chat", serves: () => true, attempt: () => says("yes"), begin: () => streams("yes") }
  ] as const
  const context = yield* Layer.build(
    Readiness.layer.pipe(
      Layer.provideMerge(Layer.merge(Lifecycle.layer, WaitingLine.layer)),
      Layer.provideMerge(onlyLane({ name: "fake", provider: "fake", endpoints, status, models: Effect.succeed([]) })),
      Layer.provide(Metrics.layer),
      Layer.provide(Settings.layerRecord({}))
    )
  )
  return { backend, context, report: Context.get(context, Readiness).report }
})

describe("Readiness", () => {
  it.effect("is given when a backend is up, with the state of everything", () =>
    Effect.gen(function* () {
      const { backend, context, report } = yield* instance
      backend.status = { reachable: true, queue: 2 }
      const line = Context.get(context, WaitingLine)
      for (let at = 0; at < 3; at++)
        yield* forked(
          line.withSlot(
            () => 1,
            () => Effect.never
          )
        )
      assert.deepStrictEqual(yield* report, {
        ready: true,
        draining: false,
        queue: { waiting: 2, in_use: 1, expected_wait_seconds: 3 },
        backends: [{ name: "fake", state: "up", breaker: "closed", health: "unknown", in_use: 1, slots: 1, queue: 2 }]
      })
    })
  )

  it.effect("is not given when the backend is unreachable, and comes back with it", () =>
    Effect.gen(function* () {
      const { backend, report } = yield* instance
      backend.status = { reachable: false }
      const { backends, ready } = yield* report
      assert.deepStrictEqual(
        { backends, ready },
        {
          backends: [{ name: "fake", state: "down", breaker: "closed", health: "unknown", in_use: 0, slots: 1 }],
          ready: false
        }
      )
      backend.status = { reachable: true }
      yield* TestClock.adjust("1 second")
      assert.isTrue((yield* report).ready)
    })
  )

  it.effect("is not given while the breaker is open, and is when a probe may pass", () =>
    Effect.gen(function* () {
      const { context, report } = yield* instance
      const breaker = Context.get(context, Backends).lanes()[0].breaker
      const failure = Effect.ignore(breaker.guard(Effect.fail(backendError("api_connection_error", "retry"))))
      yield* Effect.repeat(failure, { times: 9 })
      const { backends, ready } = yield* report
      assert.deepStrictEqual([ready, backends[0]?.breaker], [false, "open"])
      yield* TestClock.adjust("1 second")
      yield* breaker.guard(Effect.void)
      assert.isTrue((yield* report).ready)
    })
  )

  it.effect("is not given while draining", () =>
    Effect.gen(function* () {
      const { context, report } = yield* instance
      yield* Context.get(context, Lifecycle).drain
      const { draining, ready } = yield* report
      assert.deepStrictEqual({ draining, ready }, { draining: true, ready: false })
    })
  )

  it.effect("is as old as it is, whatever the time of day is set to", () =>
    Effect.gen(function* () {
      const { seen, setTimeOfDay } = yield* movableClock
      const { backend, report } = yield* instance
      backend.status = { reachable: false }
      assert.isFalse((yield* seen(report)).ready)
      backend.status = { reachable: true }
      setTimeOfDay(3_600_000)
      assert.isFalse((yield* seen(report)).ready)
      setTimeOfDay(-2 * 3_600_000)
      yield* TestClock.adjust("1 second")
      assert.isTrue((yield* seen(report)).ready)
      assert.strictEqual(backend.asked, 2)
    })
  )

  it.effect("asks the backend once a second, however often it is asked", () =>
    Effect.gen(function* () {
      const { backend, report } = yield* instance
      yield* Effect.all(
        Array.from({ length: 50 }, () => report),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(backend.asked, 1)
      yield* TestClock.adjust(999)
      yield* report
      assert.strictEqual(backend.asked, 1)
      yield* TestClock.adjust(1)
      yield* report
      assert.strictEqual(backend.asked, 2)
    })
  )
})
