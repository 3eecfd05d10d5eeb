import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { endedBy } from "../../src/services/Ending.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import { Settings } from "../../src/services/Settings.ts"
import { forked } from "../support/Forked.ts"

const withGrace = (seconds: number) =>
  Effect.map(
    Layer.build(
      Lifecycle.layer.pipe(Layer.provide(Settings.layerRecord({ AI_TICKET_SHUTDOWN_GRACE_SECONDS: String(seconds) })))
    ),
    (context) => Context.get(context, Lifecycle)
  )

/** Work that heeds the ending. */
const work =
  (lifecycle: Lifecycle["Service"]) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    lifecycle.work((ending) => endedBy(ending)(self))

describe("Lifecycle", () => {
  it.effect("takes work, and passes on how it ends", () =>
    Effect.gen(function* () {
      const lifecycle = yield* withGrace(30)
      assert.isFalse(lifecycle.draining())
      assert.strictEqual(yield* work(lifecycle)(Effect.succeed("done")), "done")
      assert.strictEqual(yield* Effect.flip(work(lifecycle)(Effect.fail("mine"))), "mine")
    })
  )

  it.effect("drains at once with nothing in hand, whatever became of earlier work", () =>
    Effect.gen(function* () {
      const lifecycle = yield* withGrace(30)
      yield* work(lifecycle)(Effect.void)
      yield* Effect.ignore(work(lifecycle)(Effect.fail("mine")))
      yield* Effect.exit(work(lifecycle)(Effect.die("bug")))
      yield* Fiber.interrupt(yield* forked(work(lifecycle)(Effect.never)))
      yield* lifecycle.drain
      assert.isTrue(lifecycle.draining())
    })
  )

  it.effect("waits for work in hand, and refuses new work meanwhile and after", () =>
    Effect.gen(function* () {
      const lifecycle = yield* withGrace(30)
      const short = yield* forked(work(lifecycle)(Effect.as(Effect.sleep("5 seconds"), "short")))
      const long = yield* forked(work(lifecycle)(Effect.as(Effect.sleep("10 seconds"), "long")))
      const draining = yield* forked(lifecycle.drain)
      assert.isTrue(lifecycle.draining())
      let ran = false
      const refused = work(lifecycle)(
        Effect.sync(() => {
          ran = true
        })
      )
      assert.strictEqual((yield* Effect.flip(refused))._tag, "ShuttingDown")
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* Fiber.join(short), "short")
      assert.isUndefined(draining.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(long), "long")
      yield* Fiber.join(draining)
      assert.strictEqual((yield* Effect.flip(refused))._tag, "ShuttingDown")
      assert.isFalse(ran)
    })
  )

  it.effect("cancels what is left after the grace period, and waits for its cleanup", () =>
    Effect.gen(function* () {
      const lifecycle = yield* withGrace(30)
      let cleaned = 0
      const cleanup = Effect.map(Effect.sleep("2 seconds"), () => {
        cleaned += 1
      })
      const stuck = Effect.onInterrupt(Effect.never, () => cleanup)
      const fibers = [yield* forked(work(lifecycle)(stuck)), yield* forked(work(lifecycle)(stuck))]
      const draining = yield* forked(lifecycle.drain)
      yield* TestClock.adjust(29_999)
      assert.deepStrictEqual(
        fibers.map((fiber) => fiber.pollUnsafe()),
        [undefined, undefined]
      )
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([cleaned, draining.pollUnsafe()], [0, undefined])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(cleaned, 2)
      for (const fiber of fibers) assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "ShuttingDown")
      yield* Fiber.join(draining)
    })
  )

  it.effect("cancels at once without a grace period", () =>
    Effect.gen(function* () {
      const lifecycle = yield* withGrace(0)
      const stuck = yield* forked(Effect.flip(work(lifecycle)(Effect.never)))
      const draining = yield* forked(lifecycle.drain)
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* Fiber.join(stuck))._tag, "ShuttingDown")
      yield* Fiber.join(draining)
    })
  )

  it.effect("may be told to drain twice", () =>
    Effect.gen(function* () {
      const lifecycle = yield* withGrace(30)
      const held = yield* forked(work(lifecycle)(Effect.as(Effect.sleep("10 seconds"), "done")))
      const first = yield* forked(lifecycle.drain)
      yield* TestClock.adjust("5 seconds")
      const second = yield* forked(lifecycle.drain)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(held), "done")
      yield* Fiber.joinAll([first, second])
      yield* lifecycle.drain
    })
  )

  it.effect("doesn't wait for somebody who left", () =>
    Effect.gen(function* () {
      const lifecycle = yield* withGrace(30)
      const held = yield* forked(work(lifecycle)(Effect.never))
      const draining = yield* forked(lifecycle.drain)
      yield* Fiber.interrupt(held)
      yield* Fiber.join(draining)
    })
  )
})
