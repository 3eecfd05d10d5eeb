import { assert, describe, it } from "@effect/vitest"
import { endAttempt } from "../../../src/services/telemetry/AttemptSpan.ts"
import type { Attributes, Span } from "../../../src/services/telemetry/Tracing.ts"
import { bytesInUse } from "../../support/BytesInUse.ts"

/** A span that keeps what it is told. */
const keeping = (told: Array<Attributes>): Span => {
  const span: Span = {
    ...{ traceId: "", spanId: "", sampled: true, tellsContent: false },
    child: () => span,
    set: (attributes) => void told.push(attributes),
    event: () => {},
    fail: () => {},
    end: () => {},
    headers: () => ({})
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
})
