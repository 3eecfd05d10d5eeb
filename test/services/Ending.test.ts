import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as TestClock from "effect/testing/TestClock"
import { alsoTelling, type Ending, either, endedBy, none } from "../../src/services/Ending.ts"
import { forked } from "../support/Forked.ts"

/** An ending that the test brings about, and how many wait for it. */
const endingOfTest = <E = string>() => {
  const waiting = new Set<(error: E) => void>()
  const ending: Ending<E> = (end) => {
    waiting.add(end)
    return () => waiting.delete(end)
  }
  const tell = (error: E) => {
    for (const end of waiting) end(error)
  }
  return { ending, tell, waiting: () => waiting.size }
}

/** Runs until it is interrupted, and has then cleaned up when it is let. */
const withCleanup = () => {
  const latch = Latch.makeUnsafe()
  const state = { cleaned: false }
  const cleanup = Effect.map(latch.await, () => {
    state.cleaned = true
  })
  return { let: latch.open, self: Effect.onInterrupt(Effect.never, () => cleanup), state }
}

describe("endedBy", () => {
  it.effect("passes on how its work ends, and forgets the ending then", () =>
    Effect.gen(function* () {
      const { ending, tell, waiting } = endingOfTest()
      const slowly = <A, E>(self: Effect.Effect<A, E>) => endedBy(ending)(Effect.delay(self, "1 second"))
      const fibers = [
        yield* forked(Effect.exit(slowly(Effect.succeed("done")))),
        yield* forked(Effect.exit(slowly(Effect.fail("mine")))),
        yield* forked(Effect.exit(slowly(Effect.die("bug")))),
        yield* forked(Effect.exit(slowly(Effect.interrupt)))
      ]
      assert.strictEqual(waiting(), 4)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(waiting(), 0)
      tell("too late")
      const [done, failed, died, interrupted] = yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual([done, failed, died], [Exit.succeed("done"), Exit.fail("mine"), Exit.die("bug")])
      assert.isTrue(interrupted !== undefined && Exit.hasInterrupts(interrupted))
    })
  )

  it.effect("doesn't ask after an ending for what is done at once", () =>
    Effect.gen(function* () {
      const asked: Ending<string> = () => assert.fail("asked")
      assert.strictEqual(yield* endedBy(asked)(Effect.succeed("done")), "done")
      assert.strictEqual(yield* Effect.flip(endedBy(asked)(Effect.fail("mine"))), "mine")
    })
  )

  it.effect("interrupts its work when the ending comes, lets it clean up, and fails with the ending's error", () =>
    Effect.gen(function* () {
      const { ending, tell, waiting } = endingOfTest()
      const cleanup = withCleanup()
      const fiber = yield* forked(Effect.flip(endedBy(ending)(cleanup.self)))
      tell("over")
      tell("over again")
      yield* Effect.yieldNow
      assert.deepStrictEqual([cleanup.state.cleaned, fiber.pollUnsafe()], [false, undefined])
      yield* cleanup.let
      assert.strictEqual(yield* Fiber.join(fiber), "over")
      assert.deepStrictEqual([cleanup.state.cleaned, waiting()], [true, 0])
    })
  )

  it.effect("is ended by one that is there already", () =>
    Effect.gen(function* () {
      const cleanup = withCleanup()
      const over: Ending<string> = (end) => {
        end("over")
        return () => {}
      }
      const fiber = yield* forked(Effect.flip(endedBy(over)(cleanup.self)))
      yield* cleanup.let
      assert.strictEqual(yield* Fiber.join(fiber), "over")
      assert.isTrue(cleanup.state.cleaned)
    })
  )

  it.effect("takes its work with it when it is interrupted itself, and waits for the cleanup", () =>
    Effect.gen(function* () {
      const { ending, waiting } = endingOfTest()
      const cleanup = withCleanup()
      const fiber = yield* forked(endedBy(ending)(cleanup.self))
      const leaving = yield* forked(Fiber.interrupt(fiber))
      yield* Effect.yieldNow
      assert.deepStrictEqual([cleanup.state.cleaned, leaving.pollUnsafe()], [false, undefined])
      yield* cleanup.let
      yield* Fiber.join(leaving)
      assert.deepStrictEqual([cleanup.state.cleaned, waiting()], [true, 0])
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.hasInterrupts(exit))
    })
  )

  it.effect("never ends for no reason", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* endedBy(none)(Effect.as(Effect.yieldNow, "done")), "done")
    })
  )
})

describe("either", () => {
  it.effect("ends for whichever comes first, and both are forgotten", () =>
    Effect.gen(function* () {
      for (const first of [0, 1]) {
        const reasons = [endingOfTest(), endingOfTest()] as const
        const fiber = yield* forked(Effect.flip(endedBy(either(reasons[0].ending, reasons[1].ending))(Effect.never)))
        assert.deepStrictEqual([reasons[0].waiting(), reasons[1].waiting()], [1, 1])
        reasons[first === 0 ? 0 : 1].tell(`reason ${first}`)
        reasons[first === 0 ? 1 : 0].tell("too late")
        assert.strictEqual(yield* Fiber.join(fiber), `reason ${first}`)
        assert.deepStrictEqual([reasons[0].waiting(), reasons[1].waiting()], [0, 0])
      }
    })
  )
})

describe("alsoTelling", () => {
  it.effect("tells one more, after whoever is ended, and is forgotten like any", () =>
    Effect.gen(function* () {
      const { ending, tell, waiting } = endingOfTest()
      const heard: Array<string> = []
      const forget = alsoTelling(() => heard.push("another"))(ending)((error) => heard.push(error))
      tell("over")
      assert.deepStrictEqual(heard, ["over", "another"])
      forget()
      assert.strictEqual(waiting(), 0)
    })
  )
})
