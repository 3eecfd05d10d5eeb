import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as TestClock from "effect/testing/TestClock"
import { layerBoundedStore } from "../../src/services/BoundedRateLimitStore.ts"

/** A store in which each request keeps a client known for a second more; its answer is the client's count. */
const storeFor = Effect.fnUntraced(function* (maxKeys: number) {
  const store = Context.get(yield* Layer.build(layerBoundedStore(maxKeys)), RateLimiter.RateLimiterStore)
  const counted = (key: string, limit = 1000) =>
    store.fixedWindow({ key, tokens: 1, refillRate: Duration.seconds(1), limit })
  return { counted, countOf: (key: string) => Effect.map(counted(key), ([count]) => count) }
})

describe("the bounded store", () => {
  it.effect("counts and tells the time left, as Effect's own does", () =>
    Effect.gen(function* () {
      const bounded = yield* storeFor(10)
      const memory = Context.get(yield* Layer.build(RateLimiter.layerStoreMemory), RateLimiter.RateLimiterStore)
      for (const pause of [0, 0, 500, 0, 2000, 700, 0, 0, 5000, 100]) {
        yield* TestClock.adjust(pause)
        for (const key of ["a", "b", "a"]) {
          const theirs = yield* memory.fixedWindow({ key, tokens: 1, refillRate: Duration.seconds(1), limit: 3 })
          assert.deepStrictEqual(yield* bounded.counted(key, 3), theirs)
        }
      }
    })
  )

  it.effect("forgets the one first seen when there are too many, and nobody else", () =>
    Effect.gen(function* () {
      const { countOf } = yield* storeFor(3)
      for (const key of ["a", "b", "c"]) yield* countOf(key)
      assert.strictEqual(yield* countOf("d"), 1)
      assert.deepStrictEqual(yield* Effect.forEach(["b", "c", "d"], countOf), [2, 2, 2])
      assert.strictEqual(yield* countOf("a"), 1)
    })
  )

  it.effect("forgets no active one below the bound, however many come and go", () =>
    Effect.gen(function* () {
      const { countOf } = yield* storeFor(100)
      for (let round = 1; round <= 40; round++) {
        assert.strictEqual(yield* countOf("steady"), round)
        // They expire after a second, so that some forty are known at a time.
        for (let other = 0; other < 10; other++) yield* countOf(`${round} ${other}`)
        yield* TestClock.adjust(250)
      }
    })
  )

  it.effect("lets expired counters go as requests come, so that they push nobody out", () =>
    Effect.gen(function* () {
      const { countOf } = yield* storeFor(1000)
      for (let at = 0; at < 500; at++) yield* countOf(`gone ${at}`)
      yield* TestClock.adjust("2 seconds")
      yield* countOf("kept")
      // Each request looks at two of them, so that these are rid of all five hundred.
      for (let at = 0; at < 300; at++) yield* countOf(`new ${at}`)
      for (let at = 0; at < 690; at++) yield* countOf(`newer ${at}`)
      assert.strictEqual(yield* countOf("kept"), 2)
    })
  )

  it.effect("stays bounded under a flood of two hundred thousand addresses", () =>
    Effect.gen(function* () {
      const { countOf } = yield* storeFor(1000)
      for (let at = 0; at < 200_000; at++) yield* countOf(`flood ${at}`)
      // The last thousand are known, and of all before them none is.
      assert.strictEqual(yield* countOf("flood 199000"), 2)
      assert.strictEqual(yield* countOf("flood 199999"), 2)
      assert.strictEqual(yield* countOf("flood 198999"), 1)
      assert.strictEqual(yield* countOf("flood 0"), 1)
    })
  )
})
