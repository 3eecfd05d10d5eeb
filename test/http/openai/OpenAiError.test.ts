import { assert, describe, it } from "@effect/vitest"
import { type ErrorCode, errorCatalogue } from "../../../src/domain/ErrorCatalogue.ts"
import { bodyFor } from "../../../src/domain/Failure.ts"
import { openAiErrorBody, openAiShape } from "../../../src/http/openai/OpenAiError.ts"

const codes = Object.keys(errorCatalogue) as ReadonlyArray<ErrorCode>

describe("an error in OpenAI's shape", () => {
  it("has the four fields that its clients know", () => {
    assert.deepStrictEqual(openAiErrorBody(bodyFor("invalid_parameter", "n must be 1."), "n"), {
      error: { message: "n must be 1.", type: "invalid_request_error", param: "n", code: "invalid_parameter" }
    })
  })

  it("tells its details in the message, for there is no other place", () => {
    const { error } = openAiErrorBody(
      bodyFor("api_server_error", "The backend failed.", "koboldcpp, chat: it answered 500")
    )
    assert.strictEqual(error.message, "The backend failed: koboldcpp, chat: it answered 500.")
    assert.isNull(error.param)
  })

  it("is of a kind that OpenAI knows, for every code", () => {
    const kinds: Partial<Record<ErrorCode, string>> = {
      unauthorised: "authentication_error",
      forbidden: "permission_error",
      not_found: "not_found_error",
      rate_limited: "rate_limit_error"
    }
    for (const code of codes) {
      const { error } = openAiErrorBody(bodyFor(code, "No."))
      const byStatus = errorCatalogue[code].status >= 500 ? "server_error" : "invalid_request_error"
      assert.deepStrictEqual([error.code, error.type], [code, kinds[code] ?? byStatus])
    }
  })

  it("asks not to be tried again where that would be in vain, and nowhere else", () => {
    const told = codes.filter((code) => openAiShape.headers?.(code)["x-should-retry"] === "false")
    assert.sameMembers(told, ["api_authentication_error", "api_client_error", "deadline_exceeded"])
  })
})
