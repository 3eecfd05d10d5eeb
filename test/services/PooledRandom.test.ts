import { assert, describe, it } from "@effect/vitest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as PooledRandom from "../../src/services/PooledRandom.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("PooledRandom", () => {
  it.layer(PooledRandom.layer)((it) => {
    it.effect("never gives the same id twice, pool after pool", () =>
      Effect.gen(function* () {
        const random = yield* SecureRandom.SecureRandom
        const ids = new Set<string>()
        for (let at = 0; at < 5000; at++) ids.add(yield* random.uuidV4())
        assert.strictEqual(ids.size, 5000)
      })
    )

    it.effect("gives no byte twice, whatever sizes are asked for", () =>
      Effect.gen(function* () {
        const random = yield* SecureRandom.SecureRandom
        const given = new Set<string>()
        const sizes = [16, 8000, 4096, 4096, 8192, 8193, 20_000, 32]
        for (const size of sizes) {
          const bytes = yield* random.randomBytes(size)
          assert.strictEqual(bytes.length, size)
          for (let at = 0; at + 16 <= size; at += 16) given.add(hex(bytes.subarray(at, at + 16)))
        }
        const pieces = sizes.reduce((sum, size) => sum + Math.floor(size / 16), 0)
        assert.strictEqual(given.size, pieces)
      })
    )

    it.effect("gives bytes that stay as they are when more are asked for", () =>
      Effect.gen(function* () {
        const random = yield* SecureRandom.SecureRandom
        const first = yield* random.randomBytes(64)
        const before = hex(first)
        for (let at = 0; at < 1000; at++) yield* random.randomBytes(64)
        assert.strictEqual(hex(first), before)
      })
    )
  })
})
