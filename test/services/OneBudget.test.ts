import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { backendError, failsWith, type Outcome, says } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { inferenceOver, named } from "../support/PoolHarness.ts"

const lasting = (outcome: Outcome, seconds: number) => Effect.delay(outcome, `${seconds} seconds`)
const gone = failsWith("api_connection_error", "retry")
const next = failsWith("api_response_format_error", "next")
const timeout = "10 seconds"

/** It goes on until its time is up, and not a millisecond longer. */
const endsAtItsDeadline = Effect.fnUntraced(function* <A, E extends { readonly code: string }>(
  asking: Effect.Effect<A, E>
) {
  const fiber = yield* forked(Effect.result(asking))
  yield* Effect.repeat(TestClock.adjust("1 second"), { times: 8 })
  yield* TestClock.adjust(999)
  assert.isUndefined(fiber.pollUnsafe())
  yield* TestClock.adjust(1)
  const result = yield* Fiber.join(fiber)
  assert.strictEqual(Result.isFailure(result) ? result.failure.code : "an answer", "deadline_exceeded")
})

describe("the one time budget of a request", () => {
  it.effect("ends its wait in line", () =>
    Effect.gen(function* () {
      const one = named("one", { chat: [Effect.never] })
      const { ask, line } = yield* inferenceOver([{ backend: one.backend, slots: 1 }])
      const first = yield* forked(ask())
      yield* endsAtItsDeadline(ask("p", { timeout }))
      assert.deepStrictEqual([one.attempts.length, yield* line.waiting], [1, 0])
      yield* Fiber.interrupt(first)
    })
  )

  it.effect("ends its retries", () =>
    Effect.gen(function* () {
      const one = named("one", { chat: [lasting(gone, 4)] })
      const { ask } = yield* inferenceOver([{ backend: one.backend, slots: 1 }])
      yield* endsAtItsDeadline(ask("p", { timeout }))
      assert.deepStrictEqual([one.attempts.length, one.interrupted], [3, ["chat"]])
    })
  )

  it.effect("ends its way from endpoint to endpoint", () =>
    Effect.gen(function* () {
      const one = named("one", {
        chat: [lasting(next, 4)],
        completion: [lasting(next, 4)],
        generate: [lasting(next, 4)]
      })
      const { ask } = yield* inferenceOver([{ backend: one.backend, slots: 1 }])
      yield* endsAtItsDeadline(ask("p", { timeout }))
      assert.deepStrictEqual(one.interrupted, ["generate"])
    })
  )

  it.effect("ends its way from backend to backend, and with it the wait for the next one's slot", () =>
    Effect.gen(function* () {
      const [one, other] = [named("one", { chat: [lasting(next, 6)] }), named("other", { chat: [Effect.never] })]
      const { ask, line } = yield* inferenceOver([
        { backend: one.backend, slots: 2 },
        { backend: other.backend, slots: 1, tier: 2 }
      ])
      const first = yield* forked(ask())
      yield* TestClock.adjust("6 seconds")
      yield* endsAtItsDeadline(ask("p", { timeout }))
      assert.deepStrictEqual([one.attempts.length, other.attempts.length, yield* line.waiting], [2, 1, 0])
      yield* Fiber.interrupt(first)
    })
  )

  it.effect("ends both of the two that were asked", () =>
    Effect.gen(function* () {
      const [one, other] = [named("one", { chat: [Effect.never] }), named("other", { chat: [Effect.never] })]
      const route = { models: ["*"], backends: ["one", "other"], hedge: { after_ms: 2000 } } as const
      const { ask } = yield* inferenceOver(
        [
          { backend: one.backend, slots: 1 },
          { backend: other.backend, slots: 1 }
        ],
        [route]
      )
      yield* endsAtItsDeadline(ask("p", { timeout }))
      assert.deepStrictEqual([one.interrupted, other.interrupted], [["chat"], ["chat"]])
    })
  )

  // Behind its first token a stream ends over a socket: test/http/streams/Failures.test.ts.
  it.effect("ends its stream before the first token", () =>
    Effect.gen(function* () {
      const broken = Effect.delay(Effect.fail(backendError("api_connection_error", "retry")), "4 seconds")
      const one = named("one", {}, { chat: [broken, Effect.never] })
      const { inference } = yield* inferenceOver([{ backend: one.backend, slots: 1 }])
      yield* endsAtItsDeadline(Stream.runDrain(inference.streamEvent({ content: "p" }, { timeout })))
      assert.deepStrictEqual([one.attempts.length, one.interrupted], [2, ["chat"]])
    })
  )

  it.effect("is what is left of it that counts for whoever comes after a wait", () =>
    Effect.gen(function* () {
      const one = named("one", { chat: [lasting(says("yes"), 6)] })
      const { ask } = yield* inferenceOver([{ backend: one.backend, slots: 1 }])
      const first = yield* forked(ask())
      yield* endsAtItsDeadline(ask("p", { timeout }))
      assert.strictEqual((yield* Fiber.join(first)).text, "yes")
      assert.strictEqual(one.attempts.length, 2)
    })
  )
})
