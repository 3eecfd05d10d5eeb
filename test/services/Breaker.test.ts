import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { BackendError } from "../../src/domain/BackendError.ts"
import { Backends } from "../../src/services/Backends.ts"
import type { Breaker } from "../../src/services/Breaker.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import type { BreakerState } from "../../src/services/Recorder.ts"
import { Settings } from "../../src/services/Settings.ts"
import { capturedLog } from "../support/CapturedLog.ts"
import { eventuallyLive } from "../support/Eventually.ts"
import { backendError, failsWith, fakeBackend } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { inferenceAbove } from "../support/InferenceHarness.ts"
import { movableClock } from "../support/MovableClock.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { withinBudget } from "../support/WithinBudget.ts"

const down = backendError("api_connection_error", "retry")
const broken = backendError("api_server_error", "retry")

const setUp = Effect.gen(function* () {
  const context = yield* Layer.build(
    fakeBackend({}).layer.pipe(Layer.provideMerge(Metrics.layer), Layer.provide(Settings.layerRecord({})))
  )
  const { breaker } = Context.get(context, Backends).lanes()[0]
  const page = Context.get(context, Metrics).render
  const shown = (state: BreakerState) =>
    Effect.map(page, (text) =>
      sampleValue(parseMetrics(text), "ai_ticket_backend_breaker_state", { backend: "fake", state })
    )
  return {
    breaker,
    fail: (times: number, error: BackendError = down) =>
      Effect.repeat(Effect.ignore(breaker.guard(Effect.fail(error))), { times: times - 1 }),
    shown: Effect.all([shown("closed"), shown("half_open"), shown("open")])
  }
})

describe("Breaker", () => {
  it.effect("lets everything through while it is closed", () =>
    Effect.gen(function* () {
      const { breaker, fail, shown } = yield* setUp
      yield* fail(7)
      yield* breaker.check
      assert.strictEqual(yield* breaker.guard(Effect.succeed("served")), "served")
      assert.strictEqual(yield* Effect.flip(breaker.guard(Effect.fail(broken))), broken)
      assert.deepStrictEqual([yield* breaker.state, yield* shown], ["closed", [1, 0, 0]])
    })
  )

  it.effect("opens after ten failed requests in a row, and says when to come again", () =>
    Effect.gen(function* () {
      const { breaker, fail, shown } = yield* setUp
      yield* fail(5)
      yield* fail(5, broken)
      assert.deepStrictEqual([yield* breaker.state, yield* shown], ["open", [0, 0, 1]])
      yield* TestClock.adjust(300)
      const error = yield* Effect.flip(breaker.check)
      assert.deepInclude(error, { _tag: "NoBackendAvailable", retryAfterMillis: 700 })
      let ran = false
      const refused = yield* Effect.flip(breaker.guard(Effect.sync(() => (ran = true))))
      assert.deepStrictEqual([refused._tag, ran], ["NoBackendAvailable", false])
    })
  )

  it.effect("opens when half of the last twenty failed, and not at an answer", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      const answer = breaker.guard(Effect.void)
      for (let round = 0; round < 3; round++) {
        yield* Effect.repeat(answer, { times: 10 })
        yield* fail(9)
      }
      assert.strictEqual(yield* breaker.state, "closed")
      yield* fail(1)
      assert.strictEqual(yield* breaker.state, "open")
      yield* TestClock.adjust("1 second")
      yield* answer
      yield* fail(9)
      yield* answer
      assert.strictEqual(yield* breaker.state, "closed")
      yield* fail(1)
      assert.strictEqual(yield* breaker.state, "open")
    })
  )

  it.effect.prop(
    "opens at a failure, when there were ten requests and half of the last twenty failed, and never else",
    { answered: Schema.Array(Schema.Boolean).check(Schema.isMaxLength(60)) },
    ({ answered }) =>
      Effect.gen(function* () {
        const { breaker, fail } = yield* setUp
        const seen: Array<boolean> = []
        for (const success of answered) {
          yield* success ? breaker.guard(Effect.void) : fail(1)
          seen.push(success)
          const last = seen.slice(-20)
          const failed = last.filter((each) => !each).length
          const opens = !success && last.length >= 10 && failed * 2 >= last.length
          assert.strictEqual(yield* breaker.state, opens ? "open" : "closed", `after ${seen.join(" ")}`)
          if (opens) return
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 200 } }
  )

  it.effect("stays open for as long as the failure that opened it asks, and never for less than its own time", () =>
    Effect.gen(function* () {
      for (const [asked, opened] of [
        [5000, 5000],
        [100, 1000],
        [90_000, 90_000]
      ] as const) {
        const { breaker, fail } = yield* setUp
        yield* fail(9)
        yield* fail(1, backendError("api_server_error", "retry", asked))
        assert.strictEqual((yield* Effect.flip(breaker.check)).retryAfterMillis, opened)
        yield* TestClock.adjust(opened - 1)
        assert.strictEqual(yield* breaker.state, "open")
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* breaker.guard(Effect.succeed("back")), "back")
      }
    })
  )

  it.effect("takes only what tells of the backend's health for a failure", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      const codes = ["api_authentication_error", "api_client_error", "api_rate_limited", "backend_error"] as const
      for (const code of [...codes, "api_response_format_error", "api_response_structure_error"] as const) {
        yield* fail(20, backendError(code, "give up"))
      }
      for (let at = 0; at < 20; at++) yield* Fiber.interrupt(yield* forked(breaker.guard(Effect.never)))
      yield* Effect.repeat(Effect.exit(breaker.guard(Effect.die("bug"))), { times: 20 })
      assert.strictEqual(yield* breaker.state, "closed")
    })
  )

  it.effect("counts on over requests that say nothing of the backend's health", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      yield* fail(9)
      yield* fail(1, backendError("api_client_error", "give up"))
      yield* fail(1)
      assert.strictEqual(yield* breaker.state, "open")
    })
  )

  it.effect("lets one request through after the open time, and closes on its answer", () =>
    Effect.gen(function* () {
      const { breaker, fail, shown } = yield* setUp
      yield* fail(10)
      yield* TestClock.adjust("1 second")
      yield* breaker.check
      const answer = yield* Deferred.make<string>()
      const probe = yield* forked(breaker.guard(Deferred.await(answer)))
      assert.deepStrictEqual([yield* breaker.state, yield* shown], ["half_open", [0, 1, 0]])
      let ran = false
      const other = yield* Effect.flip(breaker.guard(Effect.sync(() => (ran = true))))
      assert.deepStrictEqual([other._tag, ran], ["NoBackendAvailable", false])
      yield* Deferred.succeed(answer, "back")
      assert.strictEqual(yield* Fiber.join(probe), "back")
      assert.deepStrictEqual([yield* breaker.state, yield* shown], ["closed", [1, 0, 0]])
    })
  )

  it.effect("shows the same state in the metrics: half open from the end of the open time on, asked or not", () =>
    Effect.gen(function* () {
      const { breaker, fail, shown } = yield* setUp
      yield* fail(10)
      yield* TestClock.adjust(999)
      assert.deepStrictEqual([yield* breaker.state, yield* shown], ["open", [0, 0, 1]])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([yield* breaker.state, yield* shown], ["half_open", [0, 1, 0]])
    })
  )

  it.effect("stays open for longer each time the probe fails, thirty seconds at most", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      yield* fail(10)
      const opened: Array<number> = []
      for (let probe = 0; probe < 8; probe++) {
        const error = yield* Effect.flip(breaker.check)
        opened.push(error.retryAfterMillis / 1000)
        yield* TestClock.adjust(error.retryAfterMillis)
        yield* fail(1)
      }
      assert.deepStrictEqual(opened, [1, 2, 4, 8, 16, 30, 30, 30])
    })
  )

  it.effect("lets another probe through when nobody waited for the one before", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      yield* fail(10)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(yield* forked(breaker.guard(Effect.never)))
      assert.strictEqual(yield* breaker.guard(Effect.succeed("back")), "back")
      assert.strictEqual(yield* breaker.state, "closed")
    })
  )
})

describe("the log", () => {
  it.effect("tells each turn of the breaker, once", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      const told = (turns: ReadonlyArray<string>) =>
        Effect.map(
          eventuallyLive(() => log.lines.length >= turns.length),
          () =>
            assert.deepStrictEqual(
              log.entries().map(({ level, message }) => [level, message]),
              turns.map((state) => ["WARNING", `Backend fake: the breaker is ${state}`])
            )
        )
      const { breaker, fail } = yield* Effect.provide(setUp, log.layer)
      yield* fail(9)
      yield* told([])
      yield* fail(1)
      yield* told(["open"])
      yield* Effect.ignore(breaker.guard(Effect.void))
      yield* TestClock.adjust("1 second")
      yield* fail(1)
      yield* told(["open", "half_open", "open"])
      yield* TestClock.adjust("2 seconds")
      yield* breaker.guard(Effect.void)
      yield* told(["open", "half_open", "open", "half_open", "closed"])
    })
  )
})

describe("a breaker and silence", () => {
  const late = new BackendError({ ...down, late: true })
  /** A request that takes what it is given, and then is up. */
  const timedOut = (breaker: Breaker, budget: Duration.Input) =>
    Effect.gen(function* () {
      const fiber = yield* forked(Effect.exit(breaker.guard(Effect.never).pipe(withinBudget(budget))))
      yield* TestClock.adjust(budget)
      yield* Fiber.join(fiber)
    })

  it.effect("opens at the third request in a row that took too long", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      yield* fail(2, late)
      yield* breaker.guard(Effect.void)
      yield* fail(2, late)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* fail(1, late)
      assert.strictEqual(yield* breaker.state, "open")
    })
  )

  it.effect("opens at the third whose time was up, and had been half a minute at least", () =>
    Effect.gen(function* () {
      const { breaker } = yield* setUp
      for (let at = 0; at < 10; at++) yield* timedOut(breaker, "29 seconds")
      yield* timedOut(breaker, "30 seconds")
      yield* timedOut(breaker, "5 minutes")
      assert.strictEqual(yield* breaker.state, "closed")
      yield* timedOut(breaker, "30 seconds")
      assert.strictEqual(yield* breaker.state, "open")
    })
  )

  it.effect("doesn't count a client that leaves after a while", () =>
    Effect.gen(function* () {
      const { breaker } = yield* setUp
      for (let at = 0; at < 10; at++) {
        const fiber = yield* forked(breaker.guard(Effect.never).pipe(withinBudget("10 minutes")))
        yield* TestClock.adjust("5 minutes")
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(yield* breaker.state, "closed")
    })
  )

  it.effect("opens again at one more, where that was let through to see", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      yield* fail(10)
      yield* TestClock.adjust("1 second")
      yield* timedOut(breaker, "30 seconds")
      assert.strictEqual(yield* breaker.state, "open")
      assert.strictEqual((yield* Effect.flip(breaker.check)).retryAfterMillis, 2000)
    })
  )
})

describe("a breaker and the requests that began before the trouble", () => {
  it.effect("takes a late success for an answer like any other", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      const answer = yield* Deferred.make<string>()
      const early = yield* forked(breaker.guard(Deferred.await(answer)))
      yield* Effect.repeat(breaker.guard(Effect.void), { times: 9 })
      yield* fail(9)
      yield* Deferred.succeed(answer, "late")
      assert.strictEqual(yield* Fiber.join(early), "late")
      assert.strictEqual(yield* breaker.state, "closed")
      yield* fail(1)
      assert.strictEqual(yield* breaker.state, "open")
    })
  )

  it.effect("doesn't take a late failure for the probe's", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      const answer = yield* Deferred.make<never, BackendError>()
      const early = yield* Effect.forEach([1, 2], () => forked(Effect.flip(breaker.guard(Deferred.await(answer)))))
      yield* fail(10)
      yield* TestClock.adjust("1 second")
      const probed = yield* Deferred.make<string>()
      const probe = yield* forked(breaker.guard(Deferred.await(probed)))
      yield* Deferred.fail(answer, down)
      yield* Fiber.joinAll(early)
      assert.strictEqual(yield* breaker.state, "half_open")
      yield* Deferred.succeed(probed, "back")
      assert.strictEqual(yield* Fiber.join(probe), "back")
      assert.strictEqual(yield* breaker.state, "closed")
    })
  )

  it.effect("doesn't take a late failure for a probe when none has begun", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      const answer = yield* Deferred.make<never, BackendError>()
      const early = yield* forked(Effect.flip(breaker.guard(Deferred.await(answer))))
      yield* fail(10)
      yield* TestClock.adjust("1 second")
      yield* Deferred.fail(answer, down)
      yield* Fiber.join(early)
      assert.strictEqual(yield* breaker.guard(Effect.succeed("back")), "back")
      assert.strictEqual(yield* breaker.state, "closed")
    })
  )

  it.effect("doesn't take a late time-out for one that has begun since", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      const early = yield* forked(Effect.exit(breaker.guard(Effect.never).pipe(withinBudget("1 minute"))))
      yield* TestClock.adjust("30 seconds")
      yield* fail(10)
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(early)
      assert.strictEqual(yield* breaker.state, "half_open")
      assert.strictEqual(yield* breaker.guard(Effect.succeed("back")), "back")
    })
  )

  it.effect("doesn't take a late success for the probe's either", () =>
    Effect.gen(function* () {
      const { breaker, fail } = yield* setUp
      const answer = yield* Deferred.make<string>()
      const early = yield* forked(breaker.guard(Deferred.await(answer)))
      yield* fail(10)
      yield* Deferred.succeed(answer, "late")
      yield* Fiber.join(early)
      assert.strictEqual(yield* breaker.state, "open")
    })
  )
})

describe("the time a breaker goes by", () => {
  it.effect("isn't the time of day, which may be set back or forward", () =>
    Effect.gen(function* () {
      const { seen, setTimeOfDay } = yield* movableClock
      const { breaker, fail } = yield* setUp
      const refusedFor = seen(Effect.flip(breaker.check)).pipe(Effect.map(({ retryAfterMillis }) => retryAfterMillis))
      yield* seen(fail(10))
      setTimeOfDay(2 * 3_600_000)
      assert.strictEqual(yield* refusedFor, 1000)
      setTimeOfDay(-3 * 3_600_000)
      assert.strictEqual(yield* refusedFor, 1000)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* seen(breaker.state), "half_open")
      assert.strictEqual(yield* seen(breaker.guard(Effect.succeed("back"))), "back")
      assert.strictEqual(yield* seen(breaker.state), "closed")
    })
  )
})

describe("a backend that is down", () => {
  it.effect("costs a request neither a place in line nor an attempt, once ten have failed with all they tried", () =>
    Effect.gen(function* () {
      const gone = failsWith("api_connection_error", "retry")
      const settings = { AI_TICKET_RETRY_BUDGET_PERCENT: "0", AI_TICKET_RETRY_BUDGET_PER_SECOND: "1" }
      const { ask, backend, line } = yield* inferenceAbove({ chat: [gone] }, { ...settings, AI_TICKET_SLOTS: "10" })
      const fibers = yield* Effect.forEach(Array.from({ length: 10 }), () => forked(Effect.flip(ask())))
      yield* TestClock.adjust(500)
      for (const fiber of fibers) assert.strictEqual((yield* Fiber.join(fiber)).code, "api_connection_error")
      const attempts = backend.attempts.length
      for (let slot = 0; slot < 10; slot++)
        yield* forked(
          line.withSlot(
            () => 1,
            () => Effect.never
          )
        )
      const refused = yield* Effect.flip(ask())
      assert.deepStrictEqual([refused.code, backend.attempts.length], ["no_backend_available", attempts])
      assert.strictEqual(yield* line.waiting, 0)
    })
  )
})
