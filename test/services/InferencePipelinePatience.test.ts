import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { NoBackendAvailable, Overloaded, ShuttingDown } from "../../src/domain/Failure.ts"
import type { Ending } from "../../src/services/Ending.ts"
import { says } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { inferenceAbove, withoutJitter } from "../support/InferenceHarness.ts"
import { completed, numbers, pipelineAbove, pipelineOf } from "../support/PipelineHarness.ts"

describe("an event of a batch that is refused", () => {
  /** Refused so many times, then answered. */
  const refusedTimes = (times: number, refusal: Overloaded | NoBackendAvailable) => {
    let left = times
    return pipelineAbove(() => (left-- > 0 ? Effect.fail(refusal) : Effect.succeed(completed())))
  }

  it.effect("waits as long as it is told, and tries again", () =>
    Effect.gen(function* () {
      for (const refusal of [
        new Overloaded({ retryAfterMillis: 5000 }),
        new NoBackendAvailable({ retryAfterMillis: 5000 })
      ]) {
        const { counts, pipeline } = yield* refusedTimes(2, refusal)
        const running = yield* forked(withoutJitter(pipeline.onEvent({})))
        yield* TestClock.adjust(5099)
        assert.strictEqual(counts.asked, 1)
        yield* TestClock.adjust(1)
        assert.strictEqual(counts.asked, 2)
        yield* TestClock.adjust(5100)
        assert.strictEqual((yield* Fiber.join(running)).text, "done")
      }
    })
  )

  it.effect.each([
    { fraction: 0, waits: 5080 },
    { fraction: 0.25, waits: 5090 },
    { fraction: 0.75, waits: 5110 }
  ])("comes back by itself, and not with all others: after $waits ms", ({ fraction, waits }) =>
    Effect.gen(function* () {
      const { counts, pipeline } = yield* refusedTimes(2, new Overloaded({ retryAfterMillis: 5000 }))
      const dice = { nextDoubleUnsafe: () => fraction, nextIntUnsafe: () => 0 }
      const running = yield* forked(Effect.provideService(pipeline.onEvent({}), Random.Random, dice))
      for (const asked of [1, 2]) {
        yield* TestClock.adjust(waits - 1)
        assert.strictEqual(counts.asked, asked)
        yield* TestClock.adjust(1)
        assert.strictEqual(counts.asked, asked + 1)
      }
      assert.strictEqual((yield* Fiber.join(running)).text, "done")
    })
  )

  it.effect("loses patience after a while, and the refusal is its result", () =>
    Effect.gen(function* () {
      const { counts, pipeline } = yield* refusedTimes(1000, new Overloaded({ retryAfterMillis: 1000 }))
      const running = yield* forked(Effect.flip(pipeline.onEvent({}, { patience: "10 seconds" })))
      for (let at = 0; at < 10; at++) yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(running)).code, "overloaded")
      assert.isAtMost(counts.asked, 10)
    })
  )

  it.effect("waits no longer when it is told to end", () =>
    Effect.gen(function* () {
      const { pipeline } = yield* refusedTimes(1000, new Overloaded({ retryAfterMillis: 1000 }))
      const ends: Array<(error: ShuttingDown) => void> = []
      const ending: Ending<ShuttingDown> = (end) => {
        ends.push(end)
        return () => {}
      }
      const running = yield* forked(Effect.flip(pipeline.onEvent({}, { ending })))
      yield* TestClock.adjust("1 second")
      for (const end of ends) end(new ShuttingDown())
      assert.strictEqual((yield* Fiber.join(running)).code, "shutting_down")
    })
  )

  it.effect("gets through a line that is too short for its batch", () =>
    Effect.gen(function* () {
      const { backend, context } = yield* inferenceAbove(
        { chat: [Effect.andThen(Effect.sleep(50), says("ok"))] },
        { AI_TICKET_SLOTS: "1", AI_TICKET_QUEUE_LIMIT: "1" }
      )
      const pipeline = yield* pipelineOf(context)
      const running = yield* forked(pipeline.runBatch(numbers(20).map((number) => ({ content: `${number}` }))))
      for (let at = 0; at < 1000 && running.pollUnsafe() === undefined; at++) yield* TestClock.adjust(100)
      const results = yield* Fiber.join(running)
      assert.isTrue(results.every(({ result }) => Result.isSuccess(result)))
      assert.strictEqual(backend.attempts.length, 20)
    })
  )
})
