import { assert, describe, it } from "@effect/vitest"
import { SpanKind } from "@opentelemetry/api"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { RandomIdGenerator, type ReadableSpan } from "@opentelemetry/sdk-trace"
import { type Told, ToldSpan } from "../../../src/services/telemetry/ToldSpan.ts"
import { bytesInUse } from "../../support/BytesInUse.ts"

/** A span that begins at a second, and what has been handed on by its end. */
const begun = () => {
  const ended: Array<ReadableSpan> = []
  const told: Told = {
    processor: {
      forceFlush: async () => {},
      onStart: () => {},
      onEnd: (span) => ended.push(span),
      shutdown: async () => {}
    },
    resource: resourceFromAttributes({}),
    scope: { name: "test" },
    ids: new RandomIdGenerator(),
    tellsContent: true,
    ownHeaders: () => ({}),
    headersOf: () => ({})
  }
  let now = 1000
  const span = new ToldSpan(told, { name: "s", kind: SpanKind.SERVER, traceId: "ab".repeat(16), now: () => now })
  const at = (millis: number) => {
    now = millis
  }
  return { at, ended, span }
}

describe("ToldSpan", () => {
  it("cuts a text that is longer than a span may hold", () => {
    const { span } = begun()
    span.set({ long: "x".repeat(70_000), short: "y" })
    span.event("e", { long: "x".repeat(70_000) })
    assert.deepStrictEqual(span.attributes, { long: "x".repeat(65_536), short: "y" })
    assert.deepStrictEqual(span.events[0]?.attributes, { long: "x".repeat(65_536) })
  })

  it("lets go of what it has cut off: thousands may wait for a collector", () => {
    const megabyte = 1024 * 1024
    const before = bytesInUse()
    const spans = Array.from({ length: 50 }, (_, at) => {
      const { span } = begun()
      span.set({ long: JSON.stringify(`${at}`.repeat(megabyte)) })
      return span
    })
    assert.isBelow(bytesInUse() - before, 20 * megabyte)
    assert.lengthOf(spans, 50)
  })

  it("is handed on once, and hears nothing more", () => {
    const { at, ended, span } = begun()
    at(2500.5)
    span.end("timeout")
    at(9000)
    span.end()
    span.set({ late: true })
    span.event("late")
    assert.deepStrictEqual(ended, [span])
    assert.deepStrictEqual(
      [span.startTime, span.endTime, span.duration],
      [
        [1, 0],
        [2, 500_500_000],
        [1, 500_500_000]
      ]
    )
    assert.deepStrictEqual([span.attributes, span.events], [{ "error.type": "timeout" }, []])
  })

  it("never ends before it began, though the clock did", () => {
    const { at, span } = begun()
    at(500)
    span.end()
    assert.deepStrictEqual(
      [span.endTime, span.duration],
      [
        [1, 0],
        [0, 0]
      ]
    )
  })
})
