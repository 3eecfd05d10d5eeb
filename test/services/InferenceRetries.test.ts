import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { BackendError } from "../../src/domain/BackendError.ts"
import type { InferenceFailure } from "../../src/domain/Failure.ts"
import type { EventOptions } from "../../src/services/Inference.ts"
import { monotonicMillis } from "../../src/services/MonotonicClock.ts"
import { failsWith, type Outcome, says } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { inferenceAbove } from "../support/InferenceHarness.ts"

const busy = failsWith("api_server_error", "retry")
const gone = failsWith("api_connection_error", "retry")
const odd = failsWith("api_response_format_error", "next")
const absent = failsWith("api_client_error", "absent")
const refused = failsWith("api_authentication_error", "give up")

interface Script {
  readonly [endpoint: string]: ReadonlyArray<Outcome>
}

/** Asks once, lets all the time pass that is needed, and tells the attempts as `endpoint@millis`. */
const askOnce = (script: Script, settings: Record<string, string> = {}, options: EventOptions = {}) =>
  Effect.gen(function* () {
    const { ask, backend } = yield* inferenceAbove(script, settings)
    const start = yield* monotonicMillis
    const fiber = yield* forked(Effect.result(ask({ content: "p" }, options)))
    yield* TestClock.adjust("10 minutes")
    const result = yield* Fiber.join(fiber)
    return {
      attempts: backend.attempts.map(({ at, endpoint }) => `${endpoint}@${at - start}`),
      interrupted: backend.interrupted,
      outcome: result._tag === "Success" ? result.success.text : codeOf(result.failure)
    }
  })

const codeOf = (failure: BackendError | InferenceFailure) => failure.code

describe("retries and fallbacks of one request", () => {
  it.effect("waits 100 and then 200 ms at an endpoint, and takes the answer when it comes", () =>
    Effect.gen(function* () {
      const { attempts, outcome } = yield* askOnce({ chat: [busy, gone, says("third")] })
      assert.deepStrictEqual(attempts, ["chat@0", "chat@100", "chat@300"])
      assert.strictEqual(outcome, "third")
    })
  )

  it.effect("goes to the next endpoint at once after three attempts, and ends after six in all", () =>
    Effect.gen(function* () {
      const { attempts, outcome } = yield* askOnce({ chat: [busy], completion: [gone], generate: [says("never")] })
      const [chat, completion] = [
        [0, 100, 300],
        [300, 400, 600]
      ]
      assert.deepStrictEqual(attempts, [
        ...chat.map((at) => `chat@${at}`),
        ...completion.map((at) => `completion@${at}`)
      ])
      assert.strictEqual(outcome, "api_connection_error")
    })
  )

  it.effect("gives an unusable answer no second attempt, but the next endpoint its three", () =>
    Effect.gen(function* () {
      const { attempts, outcome } = yield* askOnce({ chat: [odd], completion: [busy], generate: [busy, says("yes")] })
      const completion = ["completion@0", "completion@100", "completion@300"]
      assert.deepStrictEqual(attempts, ["chat@0", ...completion, "generate@300", "generate@400"])
      assert.strictEqual(outcome, "yes")
    })
  )

  it.effect("passes endpoints that aren't there, even without a budget", () =>
    Effect.gen(function* () {
      const settings = { AI_TICKET_RETRY_BUDGET_PERCENT: "0", AI_TICKET_RETRY_BUDGET_PER_SECOND: "0" }
      const { attempts, outcome } = yield* askOnce(
        { chat: [absent], completion: [absent], generate: [says("yes")] },
        settings
      )
      assert.deepStrictEqual(attempts, ["chat@0", "completion@0", "generate@0"])
      assert.strictEqual(outcome, "yes")
    })
  )

  it.effect("ends at a refusal, at whichever endpoint", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* askOnce({ chat: [refused], completion: [says("no")] })).attempts, ["chat@0"])
      const later = yield* askOnce({ chat: [busy, refused], completion: [says("no")] })
      assert.deepStrictEqual(later.attempts, ["chat@0", "chat@100"])
      assert.strictEqual(later.outcome, "api_authentication_error")
    })
  )

  it.effect("tells the error that says more than that the last endpoint isn't there", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* askOnce({ chat: [odd], completion: [absent] })).outcome, "api_response_format_error")
      assert.strictEqual((yield* askOnce({ chat: [absent], completion: [absent] })).outcome, "api_client_error")
    })
  )

  it.effect("waits at least as long as the backend asked", () =>
    Effect.gen(function* () {
      const limited = failsWith("api_rate_limited", "retry", 7000)
      const { attempts } = yield* askOnce({ chat: [limited, busy, says("yes")] })
      assert.deepStrictEqual(attempts, ["chat@0", "chat@7000", "chat@7200"])
    })
  )

  it.effect("begins no wait that would pass the deadline: the next endpoint, or the error now", () =>
    Effect.gen(function* () {
      const limited = failsWith("api_rate_limited", "retry", 60_000)
      const settings = { AI_TICKET_REQUEST_TIMEOUT_SECONDS: "30" }
      const over = yield* askOnce({ chat: [limited], completion: [says("yes")] }, settings)
      assert.deepStrictEqual(over, { attempts: ["chat@0", "completion@0"], interrupted: [], outcome: "yes" })
      const now = yield* askOnce({ chat: [limited] }, settings)
      assert.deepStrictEqual(now, { attempts: ["chat@0"], interrupted: [], outcome: "api_rate_limited" })
    })
  )
})

describe("the deadline of a request", () => {
  it.effect("interrupts the attempt that runs", () =>
    Effect.gen(function* () {
      const script = { chat: [busy, Effect.never] }
      const ran = yield* askOnce(script, { AI_TICKET_REQUEST_TIMEOUT_SECONDS: "5" })
      assert.deepStrictEqual(ran, {
        attempts: ["chat@0", "chat@100"],
        interrupted: ["chat"],
        outcome: "deadline_exceeded"
      })
    })
  )

  it.effect("is the caller's when that is shorter, and the service's when it isn't", () =>
    Effect.gen(function* () {
      for (const [timeout, expected] of [
        ["2 seconds", 2000],
        ["1 hour", 5000]
      ] as const) {
        const { ask } = yield* inferenceAbove({ chat: [Effect.never] }, { AI_TICKET_REQUEST_TIMEOUT_SECONDS: "5" })
        const fiber = yield* forked(Effect.flip(ask({ content: "p" }, { timeout })))
        yield* TestClock.adjust(expected - 1)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        const error = yield* Fiber.join(fiber)
        assert.deepInclude(error, { code: "deadline_exceeded", budgetMillis: expected })
      }
    })
  )

  it.effect("counts the time in line", () =>
    Effect.gen(function* () {
      const { ask, backend, line } = yield* inferenceAbove(
        { chat: [Effect.never] },
        { AI_TICKET_REQUEST_TIMEOUT_SECONDS: "5" }
      )
      const first = yield* forked(Effect.flip(ask()))
      yield* TestClock.adjust("3 seconds")
      const second = yield* forked(Effect.flip(ask({ content: "p" }, { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(second)).code, "deadline_exceeded")
      assert.deepStrictEqual([backend.attempts.length, yield* line.waiting, yield* line.inUse], [1, 0, 1])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      assert.deepStrictEqual([yield* line.waiting, yield* line.inUse], [0, 0])
    })
  )
})

describe("the common retry budget", () => {
  it.effect("is spent by all requests together; then a failure is told at once", () =>
    Effect.gen(function* () {
      const settings = {
        AI_TICKET_RETRY_BUDGET_PERCENT: "0",
        AI_TICKET_RETRY_BUDGET_PER_SECOND: "1",
        AI_TICKET_SLOTS: "20"
      }
      const { ask, backend } = yield* inferenceAbove({ chat: [busy], completion: [busy] }, settings)
      const fibers = yield* Effect.forEach(Array.from({ length: 8 }), () => forked(Effect.flip(ask())))
      yield* TestClock.adjust(500)
      for (const fiber of fibers) assert.strictEqual((yield* Fiber.join(fiber)).code, "api_server_error")
      // The reserve is ten, and half a second adds half a retry.
      assert.strictEqual(backend.attempts.length, 8 + 10)
      assert.strictEqual((yield* Effect.flip(ask())).code, "api_server_error")
      assert.strictEqual(backend.attempts.length, 8 + 10 + 1)
      yield* TestClock.adjust(500)
      const patient = yield* forked(Effect.flip(ask()))
      yield* TestClock.adjust(100)
      yield* Fiber.join(patient)
      assert.strictEqual(backend.attempts.length, 8 + 10 + 1 + 2)
    })
  )
})
