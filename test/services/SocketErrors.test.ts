import { assert, describe, it } from "@effect/vitest"
import { whyUnreached } from "../../src/services/SocketErrors.ts"

const failed = (code: string) => Object.assign(new Error("connect"), { code })

describe("whyUnreached", () => {
  for (const code of ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"]) {
    it(`knows ${code}, wherever Node hides it`, () => {
      assert.isString(whyUnreached(failed(code)))
      assert.isString(whyUnreached(new Error("fetch failed", { cause: failed(code) })))
      assert.isString(whyUnreached(new AggregateError([failed(code), failed(code)])))
    })
  }

  it("is silent about a connection that was there, and about what is no error of one", () => {
    for (const error of [failed("ECONNRESET"), failed("EPIPE"), new Error("other"), new AggregateError([])]) {
      assert.isUndefined(whyUnreached(error))
    }
    for (const error of [undefined, null, "ECONNREFUSED", { code: 7 }]) assert.isUndefined(whyUnreached(error))
  })
})
