import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { makeSignals, Signals, unlessSignal } from "../../src/cli/Signals.ts"
import { forked } from "../support/Forked.ts"

describe("signals", () => {
  it.effect("the first asks to end; nobody takes a second one", () =>
    Effect.gen(function* () {
      const { receive, signals } = makeSignals()
      const ending = yield* forked(signals.first)
      assert.deepStrictEqual([receive("SIGTERM"), receive("SIGINT"), receive("SIGTERM")], [true, false, false])
      assert.strictEqual(yield* Fiber.join(ending), "SIGTERM")
      assert.strictEqual(yield* signals.first, "SIGTERM", "whoever asks later is told, too")
    })
  )

  it.effect("an interrupt that is waited for is taken, and asks nothing else to end", () =>
    Effect.gen(function* () {
      const { receive, signals } = makeSignals()
      const ending = yield* forked(signals.first)
      for (const _ of [1, 2]) {
        const interrupted = yield* forked(signals.nextInterrupt)
        assert.isTrue(receive("SIGINT"))
        yield* Fiber.join(interrupted)
      }
      assert.isUndefined(ending.pollUnsafe())
      assert.isTrue(receive("SIGINT"), "not waited for any more, it is the first that asks to end")
      assert.strictEqual(yield* Fiber.join(ending), "SIGINT")
    })
  )

  it.effect("one that is no longer waited for is not", () =>
    Effect.gen(function* () {
      const { receive, signals } = makeSignals()
      yield* Fiber.interrupt(yield* forked(signals.nextInterrupt))
      assert.isTrue(receive("SIGINT"))
      assert.strictEqual(yield* signals.first, "SIGINT")
    })
  )

  it.effect("SIGTERM asks to end, whoever waits for an interrupt", () =>
    Effect.gen(function* () {
      const { receive, signals } = makeSignals()
      const working = yield* forked(
        Effect.flip(Effect.provideService(unlessSignal(signals.nextInterrupt), Signals, signals))
      )
      assert.isTrue(receive("SIGTERM"))
      assert.strictEqual((yield* Fiber.join(working)).outcome, "terminated")
    })
  )
})
