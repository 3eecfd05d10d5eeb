import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { failed } from "../../../src/cli/batch/Reply.ts"
import { askAgain, type Setback } from "../../../src/cli/batch/Setbacks.ts"
import { type CommandFailure, failure } from "../../../src/cli/CommandFailure.ts"
import { monotonicMillis } from "../../../src/services/MonotonicClock.ts"
import { forked } from "../../support/Forked.ts"
import { withoutJitter } from "../../support/InferenceHarness.ts"

const refused = (retryAfterMillis?: number): Setback => ({
  _tag: "Refused",
  told: failed("overloaded", {}),
  retryAfterMillis
})
const lost: Setback = { _tag: "Lost", failure: failure("unreachable", ""), since: 0 }

/** When an event is tried that always meets the same, in seconds, and no more than so many times. */
const triesAt = Effect.fnUntraced(function* (
  setback: Setback | CommandFailure,
  { most = Number.POSITIVE_INFINITY, patience = 3600, wasThere = true } = {}
) {
  const start = yield* monotonicMillis
  const at: Array<number> = []
  const once = Effect.gen(function* () {
    at.push(((yield* monotonicMillis) - start) / 1000)
    if (at.length < most) return yield* Effect.fail(setback)
  })
  const policy = askAgain({ patientUntil: start + patience * 1000, wasThere: () => wasThere })
  const running = yield* forked(Effect.ignore(withoutJitter(Effect.retry(once, policy))))
  for (let at = 0; at < 2000; at++) yield* TestClock.adjust(100)
  yield* Fiber.interrupt(running)
  return at
})

describe("an event of a batch that met a setback", () => {
  it.effect("is tried again after longer and longer waits, up to ten seconds", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* triesAt(refused(), { most: 8 }), [0, 0.5, 1.5, 3.5, 7.5, 15.5, 25.5, 35.5])
    })
  )

  it.effect("waits as long as it is told, and a little more", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* triesAt(refused(30_000), { most: 4 }), [0, 30.5, 61.5, 92.5])
    })
  )

  it.effect("is given up when its patience is over, before a wait in vain", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* triesAt(refused(), { patience: 20 }), [0, 0.5, 1.5, 3.5, 7.5, 15.5])
      assert.deepStrictEqual(yield* triesAt(refused(30_000), { patience: 20 }), [0])
    })
  )

  it.effect("is tried for a minute where nobody answers who did before", () =>
    Effect.gen(function* () {
      const tries = yield* triesAt(lost, { patience: 0 })
      assert.deepStrictEqual(tries, [0, 0.5, 1.5, 3.5, 7.5, 15.5, 25.5, 35.5, 45.5, 55.5])
    })
  )

  it.effect("is not tried again where nobody ever answered, nor when the batch must end", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* triesAt(lost, { wasThere: false }), [0])
      assert.deepStrictEqual(yield* triesAt(failure("refused", "")), [0])
    })
  )
})
