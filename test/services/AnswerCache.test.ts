import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { makeAnswerCache } from "../../src/services/AnswerCache.ts"

const answer = (text: string) => ({ text, backend: "a", endpoint: "chat" })
const limits = { max_entries: 3, max_age_seconds: 10, max_bytes: 100_000 }

const Step = Schema.Struct({
  key: Schema.Literals(["a", "b", "c", "d", "e"]),
  puts: Schema.Boolean,
  length: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 600 })),
  after: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4000 }))
})

describe("a cache of answers", () => {
  it("drops what was used longest ago when there are too many", () => {
    const cache = makeAnswerCache(limits)
    for (const key of ["a", "b", "c"]) cache.put(key, answer(key), 0)
    assert.strictEqual(cache.get("a", 1)?.text, "a")
    cache.put("d", answer("d"), 1)
    assert.isUndefined(cache.get("b", 1))
    for (const key of ["a", "c", "d"]) assert.strictEqual(cache.get(key, 1)?.text, key)
  })

  it("leaves out one that is larger than all may be, and what it would replace", () => {
    const cache = makeAnswerCache({ ...limits, max_bytes: 2000 })
    cache.put("a", answer("small"), 0)
    cache.put("b", answer("small"), 0)
    cache.put("a", answer("x".repeat(1000)), 0)
    assert.isUndefined(cache.get("a", 0))
    assert.strictEqual(cache.get("b", 0)?.text, "small")
  })

  it.effect.prop(
    "gives the latest answer of a key while it is young or none, and stays within its bounds",
    { steps: Schema.Array(Step).check(Schema.isMaxLength(60)) },
    ({ steps }) =>
      Effect.sync(() => {
        const bounds = { max_entries: 3, max_age_seconds: 10, max_bytes: 3000 }
        const cache = makeAnswerCache(bounds)
        const latest = new Map<string, { readonly text: string; readonly at: number }>()
        let now = 0
        for (const { after, key, length, puts } of steps) {
          now += after
          if (puts) {
            latest.set(key, { text: "x".repeat(length), at: now })
            cache.put(key, answer("x".repeat(length)), now)
          } else {
            const found = cache.get(key, now)
            const last = latest.get(key)
            if (found !== undefined) assert.strictEqual(found.text, last?.text)
            if (last !== undefined && now - last.at >= 10_000) assert.isUndefined(found)
          }
          const { bytes, entries } = cache.size()
          assert.isTrue(entries <= bounds.max_entries && bytes <= bounds.max_bytes && bytes >= 0)
          if (entries === 0) assert.strictEqual(bytes, 0)
        }
      })
  )
})
