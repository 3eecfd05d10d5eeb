import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { BatchResult } from "../../src/domain/Batch.ts"
import { Overloaded, PromptExtractionFailed } from "../../src/domain/Failure.ts"
import { forked } from "../support/Forked.ts"
import { inferenceAbove } from "../support/InferenceHarness.ts"
import { completed, numbers, pipelineAbove, pipelineOf, slowly } from "../support/PipelineHarness.ts"

const indices = (results: ReadonlyArray<BatchResult>) => results.map(({ index }) => index)

describe("a batch", () => {
  it.effect("gives a result for each event, in their order, and failures as values", () =>
    Effect.gen(function* () {
      const { pipeline } = yield* pipelineAbove(slowly)
      const events = [{ id: 7, millis: 300 }, { millis: 100 }, { id: "x", poison: true }, { poison: true }]
      const running = yield* forked(pipeline.runBatch(events))
      yield* TestClock.adjust(300)
      const results = yield* Fiber.join(running)
      assert.deepStrictEqual(indices(results), [0, 1, 2, 3])
      assert.deepStrictEqual(
        results.map(({ id }) => id),
        [7, "new", "x", undefined]
      )
      assert.deepStrictEqual(
        results.map(({ result }) => (Result.isSuccess(result) ? result.success.text : result.failure.code)),
        ["done", "done", "prompt_extraction_failed", "prompt_extraction_failed"]
      )
    })
  )

  it.effect("streams them as they come, or in order if asked", () =>
    Effect.gen(function* () {
      const { pipeline } = yield* pipelineAbove(slowly)
      const events = [{ millis: 300 }, { millis: 100 }, { millis: 200 }]
      const asTheyCome = yield* forked(Stream.runCollect(pipeline.results(events)))
      const inOrder = yield* forked(Stream.runCollect(pipeline.results(events, { ordered: true })))
      yield* TestClock.adjust(300)
      assert.deepStrictEqual(indices(yield* Fiber.join(asTheyCome)), [1, 2, 0])
      assert.deepStrictEqual(indices(yield* Fiber.join(inOrder)), [0, 1, 2])
    })
  )

  it.effect("takes eight at once, or as many as it is told", () =>
    Effect.gen(function* () {
      for (const [maxConcurrency, most] of [
        [undefined, 8],
        [3, 3],
        [1, 1],
        [0, 1],
        [Number.NaN, 1],
        [50, 20]
      ] as const) {
        const { counts, pipeline } = yield* pipelineAbove(slowly)
        const events = numbers(20).map(() => ({ millis: 100 }))
        const options = maxConcurrency === undefined ? {} : { maxConcurrency }
        const running = yield* forked(Stream.runDrain(pipeline.results(events, options)))
        for (let at = 0; at < 20; at++) yield* TestClock.adjust(100)
        yield* Fiber.join(running)
        assert.deepStrictEqual([counts.most, counts.asked], [most, 20])
      }
    })
  )

  it.effect("takes a stream of events, and fails with it once the results so far are told", () =>
    Effect.gen(function* () {
      for (const ordered of [true, false]) {
        const { counts, pipeline } = yield* pipelineAbove(slowly)
        const events = Stream.concat(Stream.make({ millis: 200 }, { millis: 100 }), Stream.fail("broken" as const))
        const seen: Array<number> = []
        const running = yield* pipeline.results(events, { ordered }).pipe(
          Stream.runForEach(({ index }) => Effect.sync(() => seen.push(index))),
          Effect.flip,
          forked
        )
        yield* TestClock.adjust(200)
        assert.strictEqual(yield* Fiber.join(running), "broken")
        assert.deepStrictEqual(seen, ordered ? [0, 1] : [1, 0])
        assert.strictEqual(counts.interrupted, 0)
      }
    })
  )

  it.effect("takes no more events than results are read: both stay where they are", () =>
    Effect.gen(function* () {
      for (const ordered of [true, false]) {
        const { counts, pipeline } = yield* pipelineAbove(() => Effect.succeed(completed()))
        let made = 0
        const endless = (function* () {
          for (;;) yield made++
        })()
        const pull = yield* Stream.toPull(pipeline.results(endless, { ordered, maxConcurrency: 4 }))
        let read = 0
        for (; read < 10; ) {
          read += (yield* pull).length
          yield* TestClock.adjust(1000)
          assert.isAtMost(made, read + 4 + 1)
          assert.isAtMost(counts.asked, made)
        }
      }
    }).pipe(Effect.scoped)
  )
})

describe("a batch that is given up", () => {
  it.effect("aborts what is in hand and begins nothing more", () =>
    Effect.gen(function* () {
      const { counts, pipeline } = yield* pipelineAbove(() => Effect.never)
      for (const run of [pipeline.runBatch(numbers(20)), Stream.runDrain(pipeline.results(numbers(20)))]) {
        const running = yield* forked(run)
        yield* TestClock.adjust(1)
        assert.strictEqual(counts.inHand, 8)
        yield* Fiber.interrupt(running)
        assert.strictEqual(counts.inHand, 0)
      }
      assert.deepStrictEqual([counts.asked, counts.interrupted], [16, 16])
    })
  )

  it.effect("so does one whose reader has read enough", () =>
    Effect.gen(function* () {
      const { counts, pipeline } = yield* pipelineAbove((event) =>
        event === 2 ? Effect.succeed(completed()) : Effect.never
      )
      const read = yield* pipeline.results(numbers(20)).pipe(Stream.take(1), Stream.runCollect)
      assert.deepStrictEqual(indices(read), [2])
      assert.strictEqual(counts.inHand, 0)
      assert.isAtMost(counts.asked, 9)
    })
  )

  it.effect("aborts them at the backend", () =>
    Effect.gen(function* () {
      const { backend, context, line } = yield* inferenceAbove({ chat: [Effect.never] }, { AI_TICKET_SLOTS: "3" })
      const pipeline = yield* pipelineOf(context)
      const running = yield* forked(pipeline.runBatch(numbers(20).map((number) => ({ content: `${number}` }))))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([backend.attempts.length, yield* line.waiting], [3, 5])
      yield* Fiber.interrupt(running)
      assert.strictEqual(backend.interrupted.length, 3)
      assert.deepStrictEqual([yield* line.inUse, yield* line.waiting, backend.attempts.length], [0, 0, 3])
    })
  )
})

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 200 }))
const AnyEvent = Schema.Struct({ millis: Millis, manner: Schema.Literals(["answers", "fails", "refused once"]) })
const Batch = Schema.Struct({
  events: Schema.Array(AnyEvent).check(Schema.isMaxLength(30)),
  maxConcurrency: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 })),
  ordered: Schema.Boolean,
  /** How long it takes to read a result. */
  reading: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 })),
  givenUpAfter: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4000 })),
  givenUp: Schema.Boolean
})

describe("any batch", () => {
  it.effect.prop(
    "never has more in hand than it may, tells each event once, and leaves nothing running",
    { batch: Batch },
    ({ batch: { events, givenUp, givenUpAfter, maxConcurrency, ordered, reading } }) =>
      Effect.gen(function* () {
        const refused = new Set<unknown>()
        const { counts, pipeline } = yield* pipelineAbove((event) => {
          const { manner, millis } = event as typeof AnyEvent.Type
          if (manner === "refused once" && !refused.has(event)) {
            refused.add(event)
            return Effect.delay(Effect.fail(new Overloaded({ retryAfterMillis: millis })), millis)
          }
          return Effect.delay(
            manner === "fails" ? Effect.fail(new PromptExtractionFailed()) : Effect.succeed(completed()),
            millis
          )
        })
        const told: Array<number> = []
        const running = yield* pipeline.results([...events], { maxConcurrency, ordered }).pipe(
          Stream.runForEach(({ index }) =>
            Effect.delay(
              Effect.sync(() => told.push(index)),
              reading
            )
          ),
          forked
        )
        for (let at = 0; at < 4000 && running.pollUnsafe() === undefined; at += 50) {
          if (givenUp && at >= givenUpAfter) yield* Fiber.interrupt(running)
          yield* TestClock.adjust(50)
          assert.isAtMost(counts.inHand, maxConcurrency)
        }
        for (let at = 0; at < 400 && !givenUp && running.pollUnsafe() === undefined; at++) yield* TestClock.adjust(50)
        if (givenUp) yield* Fiber.interrupt(running)
        const exit = yield* Fiber.await(running)
        assert.isAtMost(counts.most, maxConcurrency)
        assert.strictEqual(counts.inHand, 0)
        assert.strictEqual(new Set(told).size, told.length)
        if (ordered) assert.deepStrictEqual(told, numbers(told.length))
        if (Exit.isSuccess(exit)) assert.sameMembers(told, numbers(events.length))
        else assert.isTrue(givenUp)
      }),
    { arbitrary: { runs: 60 }, timeout: 20_000 }
  )
})
