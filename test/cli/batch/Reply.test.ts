import { assert, describe, it } from "@effect/vitest"
import { readReply } from "../../../src/cli/batch/Reply.ts"
import { type ErrorCode, errorCatalogue } from "../../../src/domain/ErrorCatalogue.ts"
import { bodyFor } from "../../../src/domain/Failure.ts"

const read = (status: number, body: unknown) =>
  readReply(
    { status, text: typeof body === "string" ? body : JSON.stringify(body), retryAfter: undefined },
    "http://there"
  )

const codes = Object.keys(errorCatalogue) as ReadonlyArray<ErrorCode>
const meanings: Partial<Record<ErrorCode, string>> = {
  rate_limited: "Refused",
  overloaded: "Refused",
  no_backend_available: "Refused",
  shutting_down: "Refused",
  request_timeout: "Refused",
  unauthorised: "Stop",
  forbidden: "Stop",
  not_found: "Stop",
  method_not_allowed: "Stop"
}

describe("an answer to an event of a batch", () => {
  it("is its completion, with the tokens it took", () => {
    const body = { id: 1, completion: "c", usage: { prompt_tokens: 3, completion_tokens: 2 } }
    assert.deepStrictEqual(read(200, body), {
      _tag: "Told",
      told: { code: "ok", body, tokens: { prompt: 3, completion: 2 } }
    })
    const uncounted = read(200, { completion: "" })
    assert.deepInclude(uncounted._tag === "Told" ? uncounted.told.tokens : {}, { prompt: 0, completion: 0 })
  })

  it.each(codes)("that tells %s is the event's own failure, worth another try, or the end", (code) => {
    const body = bodyFor(code, "A sentence.")
    const reply = read(body.status_code, body)
    assert.strictEqual(reply._tag, meanings[code] ?? "Told")
    if (reply._tag === "Told" || reply._tag === "Refused") {
      assert.deepStrictEqual([reply.told.code, reply.told.body], [code, { ...body }])
    }
  })

  it.each([
    [502, "<html>Bad gateway</html>", "Lost"],
    [429, "slow down", "Lost"],
    [503, { error: { message: "somebody else's" } }, "Lost"],
    [404, "<html>", "Stop"],
    [418, { error: "teapot" }, "Stop"],
    [200, "<html>", "Stop"],
    [200, { text: "hello" }, "Stop"]
  ])("with status %d that isn't ours, %j: %s", (status, body, meaning) => {
    assert.strictEqual(read(status, body)._tag, meaning)
  })
})
