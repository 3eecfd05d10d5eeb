import { assert, describe, it } from "@effect/vitest"
import { isUntrusted, whyUnreached } from "../../src/services/SocketErrors.ts"

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

describe("isUntrusted", () => {
  for (const code of [
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "CERT_HAS_EXPIRED",
    "ERR_TLS_CERT_ALTNAME_INVALID"
  ]) {
    it(`knows ${code}`, () => assert.isTrue(isUntrusted(new Error("fetch failed", { cause: failed(code) }))))
  }

  it("is about certificates alone", () => {
    for (const error of [failed("ECONNREFUSED"), failed("EPROTO"), undefined]) assert.isFalse(isUntrusted(error))
  })
})
