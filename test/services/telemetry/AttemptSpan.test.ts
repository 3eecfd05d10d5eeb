import { assert, describe, it } from "@effect/vitest"
import { endAttempt, makeAttemptSpans } from "../../../src/services/telemetry/AttemptSpan.ts"
import type { Attributes, Span } from "../../../src/services/telemetry/Tracing.ts"
import { bytesInUse } from "../../support/BytesInUse.ts"
import { idleSpan } from "../../support/IdleSpan.ts"

/** A span that keeps what it is told. */
const keeping = (told: Array<Attributes>): Span => {
  const span: Span = {
    ...idleSpan,
    child: (_name, _kind, attributes = {}) => {
      told.push(attributes)
      return span
    },
    set: (attributes) => void told.push(attributes)
  }
  return span
}

describe("the span of an attempt", () => {
  it("keeps no more of a model's name than it tells, however long the backend says that it is", () => {
    const megabyte = 1024 * 1024
    const told: Array<Attributes> = []
    const before = bytesInUse()
    for (let at = 0; at < 50; at++) {
      endAttempt(keeping(told), undefined, { model: JSON.stringify(`${at % 10}`.repeat(megabyte)) })
    }
    assert.isBelow(bytesInUse() - before, 20 * megabyte)
    assert.lengthOf(told, 50)
  })

  it("tells each backend's own address, the first time and after it", () => {
    const told: Array<Attributes> = []
    const attemptSpan = makeAttemptSpans()
    const request = { _tag: "Native", prompt: "p", fields: {} } as const
    const backends = ["http://one:5001", "https://two", "http://[::1]:80"].map((url) => ({
      ...{ name: "n", provider: "p", url }
    }))
    for (const backend of [...backends, ...backends]) attemptSpan(keeping(told), backend, "chat", request, false)
    const addresses = told.map((attributes) => `${attributes["server.address"]} ${attributes["server.port"]}`)
    const expected = ["one 5001", "two 443", "[::1] 80"]
    assert.deepStrictEqual(addresses, [...expected, ...expected])
  })
})
