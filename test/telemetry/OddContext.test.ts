import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { event, request, setUpWith } from "../support/RawEvent.ts"
import { eventually } from "../support/TestService.ts"

const [traceId, spanId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]
const traceparent = `traceparent: 00-${traceId}-${spanId}-01`

/** What a client may send for a trace, and whether it is the one that is gone on with. */
const odd: ReadonlyArray<readonly [what: string, fields: ReadonlyArray<string>, goesOn: boolean]> = [
  ["an id of zeros", [`traceparent: 00-${"0".repeat(32)}-${spanId}-01`], false],
  ["a span of zeros", [`traceparent: 00-${traceId}-${"0".repeat(16)}-01`], false],
  ["capital letters", [`traceparent: 00-${traceId.toUpperCase()}-${spanId}-01`], false],
  ["version ff", [`traceparent: ff-${traceId}-${spanId}-01`], false],
  ["more than a version 00 has", [`traceparent: 00-${traceId}-${spanId}-01-more`], false],
  ["a later version", [`traceparent: 01-${traceId}-${spanId}-01-more`], true],
  ["two of them", [traceparent, `traceparent: 00-${"a".repeat(32)}-${spanId}-01`], false],
  ["nothing in it", ["traceparent:"], false],
  ["8 KB that are no id", [`traceparent: ${"x".repeat(8000)}`], false],
  ["bytes that are no letters", ["traceparent: \x80\xff"], false],
  ["8 KB of tracestate", [traceparent, `tracestate: ${"k=v,".repeat(2000)}`], true],
  ["a tracestate that is none", [traceparent, "tracestate: =;,\x80==,"], true],
  ["8 KB of baggage", [traceparent, `baggage: ${"key=value,".repeat(800)}`], true],
  ["8 KB of one baggage", [traceparent, `baggage: key=${"v".repeat(8000)}`], true],
  ["baggage that can't be decoded", [traceparent, "baggage: k=%zz,%=%,=,__proto__=x,;=;"], true],
  ["baggage with bytes in its properties", [traceparent, "baggage: k=v;p=\x80\xff, a=b"], true],
  ["baggage in other letters", [traceparent, "baggage: k=%E2%82%AC%0D%0Ax-y%3A%20z"], true]
]

describe("a context that no tracer sends", () => {
  for (const [what, fields, goesOn] of odd) {
    it.live(`is no trouble: ${what}`, () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { backend, connection } = yield* setUpWith({
          ...exportingTo(collector),
          OTEL_PROPAGATORS: "tracecontext,baggage"
        })
        connection.write(Buffer.from(request(event("e"), ...fields), "latin1"))
        const [answer] = yield* connection.receive(1)
        assert.strictEqual(answer?.status, 200)
        yield* eventually(() => collector.spans().length === 2)
        const traces = new Set(collector.spans().map((span) => span.traceId))
        assert.strictEqual(traces.size, 1)
        assert.strictEqual(traces.has(traceId), goesOn)
        assert.isTrue(collector.spans().every(({ failed }) => !failed))
        const headers = backend.calls[0]?.headers ?? {}
        assert.match(String(headers["traceparent"]), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
        assert.notProperty(headers, "x-y")
        for (const name of ["tracestate", "baggage"]) assert.isAtMost(String(headers[name] ?? "").length, 8192)
      })
    )
  }
})

describe("text that is none", () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it.live(`spoils no export over ${protocol}: a model's name that is cut within a character`, () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { backend, connection } = yield* setUpWith({
          ...exportingTo(collector),
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol
        })
        const model = `\0\u2028x${"\u{1f600}".repeat(200)}`
        backend.script({ chat: [{ body: { model, choices: [{ message: { content: "yes" } }] } }] })
        connection.write(request(event("e")))
        yield* connection.receive(1)
        yield* eventually(() => collector.spans().length === 2)
        const told = collector.spans().map(({ attributes }) => attributes["gen_ai.response.model"])
        assert.match(String(told.find((name) => name !== undefined)), /^\0\u2028x(\u{1f600})+[\ufffd\ud83d]$/u)
      })
    )
  }
})
