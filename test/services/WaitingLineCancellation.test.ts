import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Slot } from "../../src/services/WaitingLine.ts"
import { forked } from "../support/Forked.ts"
import { gates, lineWith } from "../support/LineHarness.ts"

const second = Effect.sleep("1 second")
const atRest = { waiting: 0, inUse: 0 }

/** Never ends; when it is interrupted its slot has this to do first. */
const heldWith = (cleanup: Effect.Effect<void>) =>
  Effect.flatMap(Slot, (slot) => Effect.onInterrupt(Effect.never, () => Scope.addFinalizer(slot, cleanup)))

describe.each(gates)("somebody who leaves the line: %s", (gate) => {
  it.effect("leaves no trace, and those behind keep their order", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 1, queueLimit: 3 }, gate)
      const served: Array<string> = []
      const enter = (name: string) =>
        line.withSlot(
          Effect.andThen(
            Effect.sync(() => served.push(name)),
            second
          )
        )
      const fibers = yield* Effect.forEach(["a", "b", "c", "d"], (name) => forked(enter(name)))
      const [, b] = fibers
      if (b !== undefined) yield* Fiber.interrupt(b)
      assert.deepStrictEqual(yield* state, { waiting: 2, inUse: 1 })
      const last = yield* forked(enter("e"))
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.awaitAll([...fibers, last])
      assert.deepStrictEqual([served, yield* state], [["a", "c", "d", "e"], atRest])
    })
  )

  it.effect("hands over to the next when it leaves with a slot", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 1, queueLimit: 1 }, gate)
      const holder = yield* forked(line.withSlot(Effect.never))
      const next = yield* forked(line.withSlot(Effect.succeed("served")))
      yield* Fiber.interrupt(holder)
      assert.strictEqual(yield* Fiber.join(next), "served")
      assert.deepStrictEqual(yield* state, atRest)
    })
  )

  it.effect("may leave at once, but its slot stays taken until its cleanup ended", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 1, queueLimit: 1 }, gate)
      const events: Array<string> = []
      const says = (word: string) => Effect.sync(() => void events.push(word))
      const holder = yield* forked(line.withSlot(heldWith(Effect.andThen(second, says("cleaned")))))
      const next = yield* forked(line.withSlot(says("next")))
      yield* Fiber.interrupt(holder)
      yield* says("left")
      assert.strictEqual((yield* Effect.flip(line.withSlot(Effect.void)))._tag, "Overloaded")
      yield* TestClock.adjust(999)
      assert.deepStrictEqual([events, yield* state], [["left"], { waiting: 1, inUse: 1 }])
      yield* TestClock.adjust(1)
      yield* Fiber.join(next)
      assert.deepStrictEqual([events, yield* state], [["left", "cleaned", "next"], atRest])
    })
  )

  it.effect("gives its slot back even when its cleanup fails badly", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 1, queueLimit: 1 }, gate)
      const holder = yield* forked(line.withSlot(heldWith(Effect.die("bug"))))
      const next = yield* forked(line.withSlot(Effect.succeed("served")))
      yield* Fiber.interrupt(holder)
      assert.strictEqual(yield* Fiber.join(next), "served")
      assert.deepStrictEqual(yield* state, atRest)
    })
  )

  it.effect("loses no slot when it leaves in the moment that the slot is handed to it", () =>
    Effect.gen(function* () {
      for (const yields of [0, 1, 2, 3, 4, 5, 6]) {
        const { line, state } = yield* lineWith({ slots: 1, queueLimit: 3 }, gate)
        const holder = yield* forked(line.withSlot(Effect.never))
        const unlucky = yield* forked(line.withSlot(Effect.never))
        const next = yield* forked(line.withSlot(Effect.succeed("served")))
        holder.interruptUnsafe()
        for (let at = 0; at < yields; at++) yield* Effect.yieldNow
        yield* Fiber.interrupt(unlucky)
        yield* Fiber.await(holder)
        assert.strictEqual(yield* Fiber.join(next), "served")
        assert.deepStrictEqual(yield* state, atRest, `after ${yields} yields`)
      }
    })
  )

  it.effect("loses no slot when it leaves before it got into the line", () =>
    Effect.gen(function* () {
      const { line, state } = yield* lineWith({ slots: 1, queueLimit: 1 }, gate)
      const early = yield* Effect.forkChild(line.withSlot(Effect.never))
      yield* Fiber.interrupt(early)
      assert.deepStrictEqual(yield* state, atRest)
      assert.strictEqual(yield* line.withSlot(Effect.succeed("served")), "served")
    })
  )
})

const Millis = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
const Visitor = Schema.Struct({
  arrives: Millis,
  takes: Millis,
  leavesAfter: Millis,
  cleanupTakes: Millis,
  manner: Schema.Literals(["ends", "fails", "dies", "leaves"])
})
type Visitor = typeof Visitor.Type
const Size = Schema.Struct({
  slots: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })),
  queueLimit: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 }))
})

describe.each(gates)("any crowd: %s", (gate) => {
  it.effect.prop(
    "never holds more than the slots, is served or refused once each, and leaves the line empty",
    { size: Size, visitors: Schema.Array(Visitor).check(Schema.isMaxLength(15)) },
    ({ size, visitors }) =>
      Effect.gen(function* () {
        const { line, state } = yield* lineWith(size, gate)
        const starts = visitors.map(() => 0)
        const refusals = visitors.map(() => 0)
        let holding = 0
        let mostHolding = 0
        const hold = (index: number, visitor: Visitor) =>
          Effect.gen(function* () {
            starts[index] = (starts[index] ?? 0) + 1
            holding += 1
            mostHolding = Math.max(mostHolding, holding, yield* line.inUse)
            const slot = yield* Slot
            yield* Scope.addFinalizer(
              slot,
              Effect.sync(() => holding--)
            )
            yield* Effect.sleep(visitor.takes).pipe(
              Effect.onInterrupt(() => Scope.addFinalizer(slot, Effect.sleep(visitor.cleanupTakes)))
            )
            if (visitor.manner === "dies") return yield* Effect.die("bug")
            if (visitor.manner === "fails") return yield* Effect.fail("mine" as const)
          })
        const visit = (visitor: Visitor, index: number) =>
          line.withSlot(hold(index, visitor)).pipe(
            Effect.catchTag("Overloaded", () =>
              Effect.sync(() => {
                refusals[index] = (refusals[index] ?? 0) + 1
              })
            ),
            Effect.exit,
            Effect.timeoutOption(visitor.manner === "leaves" ? visitor.leavesAfter : "1 day"),
            Effect.delay(visitor.arrives),
            forked
          )
        const fibers = yield* Effect.forEach(visitors, visit)
        for (let at = 0; at < 40; at++) {
          yield* TestClock.adjust(100)
          const { inUse, waiting } = yield* state
          assert.isTrue(inUse >= 0 && inUse <= size.slots && waiting >= 0 && waiting <= size.queueLimit)
        }
        yield* Fiber.joinAll(fibers)
        visitors.forEach(({ manner }, index) => {
          const treated = (starts[index] ?? 0) + (refusals[index] ?? 0)
          if (manner === "leaves") assert.isAtMost(treated, 1)
          else assert.strictEqual(treated, 1)
        })
        assert.isAtMost(mostHolding, size.slots)
        assert.deepStrictEqual([holding, yield* state], [0, atRest])
      }),
    { arbitrary: { runs: 60 }, timeout: 20_000 }
  )
})
