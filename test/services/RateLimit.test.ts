import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { RateLimit } from "../../src/services/RateLimit.ts"
import { Settings } from "../../src/services/Settings.ts"

const nobody = { tokenId: undefined }

const limitOf = Effect.fnUntraced(function* (requests: number, seconds: number, by: "ip" | "token" = "ip") {
  const settings = {
    RATE_LIMIT_REQUESTS: String(requests),
    RATE_LIMIT_WINDOW_SECONDS: String(seconds),
    AI_TICKET_RATE_LIMIT_BY: by
  }
  const context = yield* Layer.build(RateLimit.layer.pipe(Layer.provide(Settings.layerRecord(settings))))
  const { take } = Context.get(context, RateLimit)
  const passes = (address: string, caller: { tokenId: string | undefined } | undefined = nobody) =>
    Effect.match(take({ address, caller }), { onFailure: () => false, onSuccess: () => true })
  /** How many of so many requests pass. */
  const passing = (times: number, address = "1.1.1.1") =>
    Effect.map(
      Effect.forEach(Array.from({ length: times }), () => passes(address)),
      (outcomes) => outcomes.filter((passed) => passed).length
    )
  return { take: (address = "1.1.1.1") => take({ address, caller: nobody }), passes, passing }
})

describe("RateLimit", () => {
  it.effect("lets just so many requests pass in a window, and as many in the next", () =>
    Effect.gen(function* () {
      const { passing } = yield* limitOf(5, 60)
      assert.strictEqual(yield* passing(20), 5)
      yield* TestClock.adjust(59_999)
      assert.strictEqual(yield* passing(20), 0)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* passing(20), 5)
    })
  )

  it.effect("says when to come again, and that is when the next one passes", () =>
    Effect.gen(function* () {
      const { take } = yield* limitOf(3, 60)
      for (let at = 0; at < 3; at++) yield* take()
      yield* TestClock.adjust("25 seconds")
      const error = yield* Effect.flip(take())
      assert.deepInclude(error, { _tag: "RateLimited", retryAfterMillis: 35_000, limit: 3, windowSeconds: 60 })
      yield* TestClock.adjust(error.retryAfterMillis - 1)
      yield* Effect.flip(take())
      yield* TestClock.adjust(1)
      yield* take()
    })
  )

  it.effect("tells what is left", () =>
    Effect.gen(function* () {
      const { take } = yield* limitOf(3, 60)
      const quota = { limit: 3, windowSeconds: 60 }
      assert.deepStrictEqual(yield* take(), { ...quota, remaining: 2, resetSeconds: 20 })
      yield* take()
      assert.deepStrictEqual(yield* take(), { ...quota, remaining: 0, resetSeconds: 60 })
    })
  )

  it.effect("counts each client by itself, and a whole IPv6 network as one", () =>
    Effect.gen(function* () {
      const { passing } = yield* limitOf(2, 60)
      assert.strictEqual(yield* passing(5, "1.1.1.1"), 2)
      assert.strictEqual(yield* passing(5, "1.1.1.2"), 2)
      assert.strictEqual(yield* passing(1, "2001:db8::1"), 1)
      assert.strictEqual(yield* passing(5, "2001:db8::2"), 1)
      assert.strictEqual(yield* passing(5, "2001:db8:0:1::2"), 2)
    })
  )

  it.effect("is off at nought", () =>
    Effect.gen(function* () {
      const { passing, take } = yield* limitOf(0, 60)
      assert.strictEqual(yield* passing(2000), 2000)
      assert.isUndefined(yield* take())
    })
  )

  it.effect("counts by address whoever calls, unless told to count by token", () =>
    Effect.gen(function* () {
      const { passes } = yield* limitOf(1, 60)
      assert.isTrue(yield* passes("1.1.1.1", { tokenId: "a" }))
      assert.isFalse(yield* passes("1.1.1.1", { tokenId: "b" }))
      assert.isFalse(yield* passes("1.1.1.1", undefined))
      assert.isTrue(yield* passes("1.1.1.2", { tokenId: "a" }))
    })
  )

  it.effect("counts by token from any address, and those without one or refused by theirs", () =>
    Effect.gen(function* () {
      const { passes } = yield* limitOf(1, 60, "token")
      assert.isTrue(yield* passes("1.1.1.1", { tokenId: "a" }))
      assert.isFalse(yield* passes("1.1.1.2", { tokenId: "a" }))
      assert.isTrue(yield* passes("1.1.1.1", { tokenId: "b" }))
      assert.isTrue(yield* passes("1.1.1.1", undefined))
      assert.isFalse(yield* passes("1.1.1.1", undefined))
      assert.isTrue(yield* passes("1.1.1.2", undefined))
    })
  )

  it.effect("isn't misled by a token that looks like an address", () =>
    Effect.gen(function* () {
      const { passes } = yield* limitOf(1, 60, "token")
      assert.isTrue(yield* passes("1.1.1.1", { tokenId: "2.2.2.2" }))
      assert.isTrue(yield* passes("2.2.2.2", undefined))
    })
  )

  const Limit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 }))
  const Pauses = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4000 }))).check(
    Schema.isMinLength(10),
    Schema.isMaxLength(80)
  )
  it.effect.prop(
    "never lets more than twice the limit pass within the length of a window",
    { limit: Limit, pauses: Pauses },
    ({ limit, pauses }) =>
      Effect.gen(function* () {
        const windowMillis = 10_000
        const { passes } = yield* limitOf(limit, windowMillis / 1000)
        const passedAt: Array<number> = []
        let now = 0
        for (const pause of pauses) {
          // Mostly in bursts: only every other pause is one.
          const millis = pause % 2 === 0 ? pause : 0
          yield* TestClock.adjust(millis)
          now += millis
          if (yield* passes("1.1.1.1")) passedAt.push(now)
        }
        for (const start of passedAt) {
          const within = passedAt.filter((at) => at >= start && at < start + windowMillis)
          assert.isAtMost(within.length, 2 * limit)
        }
      })
  )
})
