import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Metrics } from "../../src/services/Metrics.ts"
import { Slot } from "../../src/services/WaitingLine.ts"
import { forked } from "../support/Forked.ts"
import { gates, lineWith } from "../support/LineHarness.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"

const second = Effect.sleep("1 second")

describe.each(gates)("WaitingLine: %s", (gate) => {
  it.effect("lets as many in as there are slots, and the rest in the order they came", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 2, queueLimit: 10 }, gate)
      const order: Array<number> = []
      const fibers = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (name) =>
        forked(
          line.withSlot(
            Effect.andThen(
              Effect.sync(() => order.push(name)),
              second
            )
          )
        )
      )
      assert.deepStrictEqual([order, yield* state], [[0, 1], { waiting: 4, inUse: 2 }])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([order, yield* state], [[0, 1, 2, 3], { waiting: 2, inUse: 2 }])
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual([order, yield* state], [[0, 1, 2, 3, 4, 5], { waiting: 0, inUse: 0 }])
    })
  )

  it.effect("doesn't let a newcomer past those who wait, in the moment a slot is given back", () =>
    Effect.gen(function* () {
      const { line } = yield* lineWith({ slots: 1, queueLimit: 10 }, gate)
      const order: Array<string> = []
      const enter = (name: string) =>
        line.withSlot(
          Effect.andThen(
            Effect.sync(() => order.push(name)),
            second
          )
        )
      const first = yield* forked(enter("first").pipe(Effect.andThen(enter("again"))))
      const waiting = yield* forked(enter("waiting"))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.joinAll([first, waiting])
      assert.deepStrictEqual(order, ["first", "waiting", "again"])
    })
  )

  it.effect("refuses at once when the line is full, and runs nothing", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 1, queueLimit: 2 }, gate)
      let ran = 0
      const work = line.withSlot(
        Effect.andThen(
          Effect.sync(() => ran++),
          Effect.never
        )
      )
      for (let at = 0; at < 3; at++) yield* forked(work)
      assert.strictEqual((yield* Effect.flip(work))._tag, "Overloaded")
      assert.deepStrictEqual([ran, yield* state], [1, { waiting: 2, inUse: 1 }])
    })
  )

  it.effect("without a line it refuses as soon as the slots are taken", () =>
    Effect.gen(function* () {
      const { line } = yield* lineWith({ slots: 1, queueLimit: 0 }, gate)
      const fiber = yield* forked(line.withSlot(second))
      assert.strictEqual((yield* Effect.flip(line.withSlot(Effect.void)))._tag, "Overloaded")
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      yield* line.withSlot(Effect.void)
    })
  )

  it.effect("tells those it refuses when a place is likely to be free, from what requests took", () =>
    Effect.gen(function* () {
      const { line } = yield* lineWith({ slots: 2, queueLimit: 4 }, gate)
      const served = yield* forked(line.withSlot(Effect.sleep("8 seconds")))
      yield* TestClock.adjust("8 seconds")
      yield* Fiber.join(served)
      for (let at = 0; at < 6; at++) yield* forked(line.withSlot(Effect.never))
      const refused = yield* Effect.flip(line.withSlot(Effect.void))
      // Two slots of eight seconds each: one of them ends every four, and lets the line move up.
      assert.deepInclude(refused, { _tag: "Overloaded", retryAfterMillis: 4000 })
    })
  )

  it.effect("follows a backend that becomes slower", () =>
    Effect.gen(function* () {
      const { line } = yield* lineWith({ slots: 1, queueLimit: 0 }, gate)
      const hintAfter = Effect.fnUntraced(function* (seconds: number, times: number) {
        for (let at = 0; at < times; at++) {
          const served = yield* forked(line.withSlot(Effect.sleep(seconds * 1000)))
          yield* TestClock.adjust(seconds * 1000)
          yield* Fiber.join(served)
        }
        const busy = yield* forked(line.withSlot(Effect.never))
        const refused = yield* Effect.flip(line.withSlot(Effect.void))
        yield* Fiber.interrupt(busy)
        return refused._tag === "Overloaded" ? refused.retryAfterMillis : 0
      })
      assert.strictEqual(yield* hintAfter(2, 3), 2000)
      assert.isAbove(yield* hintAfter(60, 10), 40_000)
    })
  )

  it.effect("gives the slot back after a failure and after a bug", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 1, queueLimit: 0 }, gate)
      assert.strictEqual(yield* Effect.flip(line.withSlot(Effect.fail("mine"))), "mine")
      assert.isTrue(Exit.hasDies(yield* Effect.exit(line.withSlot(Effect.die("bug")))))
      yield* Effect.ignore(line.withSlot(Effect.fail("again")))
      assert.deepStrictEqual(yield* state, { waiting: 0, inUse: 0 })
    })
  )

  it.effect("keeps a failed holder's slot until its cleanup ended", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 1, queueLimit: 1 }, gate)
      const cleaning = Effect.flatMap(Slot, (slot) => Scope.addFinalizer(slot, second))
      const failing = yield* forked(Effect.flip(line.withSlot(Effect.andThen(cleaning, Effect.fail("mine")))))
      const next = yield* forked(line.withSlot(Effect.void))
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(yield* state, { waiting: 1, inUse: 1 })
      yield* TestClock.adjust(1)
      yield* Fiber.joinAll([failing, next])
    })
  )

  it.effect("reports its state and the time waited", () =>
    Effect.gen(function* () {
      const { context, line } = yield* lineWith({ slots: 1, queueLimit: 10 }, gate)
      const page = Context.get(context, Metrics).render
      const gauges = Effect.map(page, (text) =>
        ["queue_depth", "slots_in_use", "queue_wait_seconds_sum", "queue_expected_wait_seconds"].map((name) =>
          sampleValue(parseMetrics(text), `ai_ticket_${name}`)
        )
      )
      const fibers = yield* Effect.forEach([1, 2, 3], () => forked(line.withSlot(second)))
      assert.deepStrictEqual(yield* gauges, [2, 1, 0, 3])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* gauges, [1, 1, 1, 2])
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(yield* gauges, [0, 0, 3, 0])
    })
  )

  it.effect("is not gone before the cleanups of those who left have ended", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { line } = yield* Scope.provide(lineWith({ slots: 1, queueLimit: 0 }, gate), scope)
      let cleaned = false
      const cleanup = Effect.map(second, () => {
        cleaned = true
      })
      const body = Effect.flatMap(Slot, (slot) =>
        Effect.onInterrupt(Effect.never, () => Scope.addFinalizer(slot, cleanup))
      )
      yield* Fiber.interrupt(yield* forked(line.withSlot(body)))
      const closing = yield* forked(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(999)
      assert.deepStrictEqual([cleaned, closing.pollUnsafe()], [false, undefined])
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
      assert.isTrue(cleaned)
    })
  )
})
