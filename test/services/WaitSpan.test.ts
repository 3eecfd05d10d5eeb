import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { CurrentSpan, type Span } from "../../src/services/telemetry/Tracing.ts"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { forked } from "../support/Forked.ts"
import { idleSpan } from "../support/IdleSpan.ts"
import { lineWith } from "../support/LineHarness.ts"
import { movableClock } from "../support/MovableClock.ts"

/** A span that keeps the names of its parts, and what went wrong with them. */
const noting = (parts: Array<string>): Span => ({
  ...idleSpan,
  child: (name) => ({
    ...idleSpan,
    end: (failure) => void parts.push(failure === undefined ? name : `${name}: ${failure}`)
  })
})

describe("the wait in a request's story", () => {
  it.effect("is none where a slot is free, however long it takes to look", () =>
    Effect.gen(function* () {
      const { context } = yield* lineWith({ slots: 1, queueLimit: 1 })
      const clock = yield* movableClock
      const parts: Array<string> = []
      const asked = Context.get(context, WaitingLine).withSlot(
        () => {
          clock.pass(20)
          return 1
        },
        () => Effect.void
      )
      yield* clock.seen(Effect.provideService(asked, CurrentSpan, noting(parts)))
      assert.deepStrictEqual(parts, [])
    })
  )

  it.effect("is a part where it stood in line", () =>
    Effect.gen(function* () {
      const { line } = yield* lineWith({ slots: 1, queueLimit: 1 })
      const parts: Array<string> = []
      const first = yield* forked(line.withSlot(Effect.sleep("20 millis")))
      const second = yield* forked(Effect.provideService(line.withSlot(Effect.void), CurrentSpan, noting(parts)))
      yield* TestClock.adjust("20 millis")
      yield* Fiber.joinAll([first, second])
      assert.deepStrictEqual(parts, ["queue"])
    })
  )

  it.effect("is aborted with its request, or ends for want of a slot", () =>
    Effect.gen(function* () {
      const { line } = yield* lineWith({ slots: 1, queueLimit: 1 })
      const parts: Array<string> = []
      const inLine = Effect.provideService(line.withSlot(Effect.void), CurrentSpan, noting(parts))
      yield* forked(line.withSlot(Effect.never))
      const leaving = yield* forked(inLine)
      yield* Effect.exit(inLine)
      assert.deepStrictEqual(parts, ["queue: no_slot"])
      yield* Fiber.interrupt(leaving)
      assert.deepStrictEqual(parts, ["queue: no_slot", "queue: aborted"])
    })
  )
})
