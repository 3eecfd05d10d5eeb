import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { parseRetryAfter } from "../../src/domain/RetryAfter.ts"

const now = Date.UTC(2026, 10, 6, 8, 49, 37)

describe("parseRetryAfter", () => {
  it("reads seconds", () => {
    assert.strictEqual(parseRetryAfter("0", now), 0)
    assert.strictEqual(parseRetryAfter("1", now), 1000)
    assert.strictEqual(parseRetryAfter(" 120 ", now), 120_000)
  })

  it("reads an HTTP date as the time until then", () => {
    assert.strictEqual(parseRetryAfter("Fri, 06 Nov 2026 08:49:42 GMT", now), 5000)
    assert.strictEqual(parseRetryAfter("Fri, 06 Nov 2026 08:49:37 GMT", now), 0)
  })

  it("doesn't wait for a date in the past", () => {
    assert.strictEqual(parseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", now), 0)
  })

  it("knows nothing of anything else", () => {
    const garbage = ["-1", "1.5", "1e3", "5 seconds", "soon", "", " ", "Infinity", "0x10", "2026-11-06T08:49:42Z"]
    const dates = ["Fri, 99 Nov 2026 08:49:42 GMT", "Fri, 06 Foo 2026 08:49:42 GMT", "Fri, 06 Nov 2026 08:49:42 CET"]
    for (const header of [...garbage, ...dates, undefined]) assert.isUndefined(parseRetryAfter(header, now), header)
  })

  it.prop(
    "is never negative and always a number, whatever comes",
    { header: Schema.String, at: Schema.Int },
    ({ at, header }) => {
      for (const text of [header, String(at), `Fri, 06 Nov ${Math.abs(at) % 10_000} 08:49:37 GMT`, `${header} GMT`]) {
        const wait = parseRetryAfter(text, at)
        assert.isTrue(wait === undefined || (Number.isFinite(wait) && wait >= 0), text)
      }
    }
  )

  it.prop(
    "reads any whole number of seconds",
    { seconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 999_999_999 })) },
    ({ seconds }) => {
      assert.strictEqual(parseRetryAfter(String(seconds), now), seconds * 1000)
    }
  )
})
