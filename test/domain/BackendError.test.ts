import { assert, describe, it } from "@effect/vitest"
import { BackendError, classifyStatus, mostTelling, type Remedy } from "../../src/domain/BackendError.ts"

const failed = (remedy: Remedy) =>
  new BackendError({
    code: "api_client_error",
    backend: "koboldcpp",
    endpoint: "chat",
    reason: "it answered 404",
    remedy
  })

describe("classifyStatus", () => {
  const table: ReadonlyArray<readonly [statuses: ReadonlyArray<number>, code: string, remedy: Remedy]> = [
    [[401, 403], "api_authentication_error", "give up"],
    [[404, 405, 501], "api_client_error", "absent"],
    [[429], "api_rate_limited", "retry"],
    [[500, 502, 503, 504, 529, 599], "api_server_error", "retry"],
    [[400, 402, 406, 408, 409, 413, 418, 422], "api_client_error", "give up"],
    [[301, 302, 307, 308], "api_client_error", "give up"]
  ]
  for (const [statuses, code, remedy] of table) {
    it(`${statuses.join(", ")}: ${code}, ${remedy}`, () => {
      for (const status of statuses) assert.deepStrictEqual<unknown>(classifyStatus(status), { code, remedy })
    })
  }
})

describe("BackendError", () => {
  it("tells where it happened, and what in words of ours", () => {
    const error = failed("absent")
    assert.strictEqual(error.message, "The backend refused the request.")
    assert.strictEqual(error.details, "koboldcpp, chat: it answered 404")
  })
})

describe("mostTelling", () => {
  it("is the last error", () => {
    for (const remedy of ["retry", "next", "give up"] as const) {
      const last = failed(remedy)
      assert.strictEqual(mostTelling(last, failed("retry")), last)
    }
  })

  it("is the one before when the last endpoint wasn't there", () => {
    const previous = failed("retry")
    assert.strictEqual(mostTelling(failed("absent"), previous), previous)
  })

  it("is the last one when there was none before", () => {
    const only = failed("absent")
    assert.strictEqual(mostTelling(only, undefined), only)
  })
})
