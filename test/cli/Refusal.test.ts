import { assert, describe, it } from "@effect/vitest"
import { refusal } from "../../src/cli/Refusal.ts"
import { bodyFor } from "../../src/domain/Failure.ts"

const overloaded = JSON.stringify(bodyFor("overloaded", "Too many requests are waiting for the backend."))

describe("what the service said instead of an answer", () => {
  it.each([
    ["1", "1 second"],
    ["12", "12 seconds"]
  ])("tells when it is worth trying again: %s", (retryAfter, told) => {
    const { message, outcome } = refusal({ status: 503, text: overloaded, retryAfter })
    assert.strictEqual(outcome, "refused")
    assert.strictEqual(
      message,
      `Too many requests are waiting for the backend. (overloaded)\nWorth trying again in ${told}.`
    )
  })

  it.each([undefined, "Fri, 31 Dec 1999 23:59:59 GMT"])("says nothing of it with Retry-After: %s", (retryAfter) => {
    const { message } = refusal({ status: 503, text: overloaded, retryAfter })
    assert.strictEqual(message, "Too many requests are waiting for the backend. (overloaded)")
  })

  it("tells where a command takes the token from that is needed", () => {
    const { message } = refusal({
      status: 401,
      text: JSON.stringify(bodyFor("unauthorised", "No.")),
      retryAfter: undefined
    })
    assert.strictEqual(message, "No. (unauthorised)\nA command takes its token from AI_TICKET_TOKEN, or from --token.")
  })
})
