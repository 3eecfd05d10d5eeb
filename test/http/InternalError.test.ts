import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { buggyService } from "../support/BuggyService.ts"
import { assertFailure, jsonIn, send, sendEvent } from "../support/Http.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { openStream } from "../support/StreamingClient.ts"
import { eventually } from "../support/TestService.ts"

const defects = {
  "an error": new Error("the cause"),
  "an error with a cause": new Error("outer", { cause: new Error("the cause") }),
  "an object": { reason: "the cause" },
  "a text": "the cause"
}

describe("a bug", () => {
  for (const [name, defect] of Object.entries(defects)) {
    it.live(`that throws ${name} is told without its cause, and logged with it`, () =>
      Effect.gen(function* () {
        const { lines, url } = yield* buggyService(defect)
        const answer = yield* sendEvent(url, { content: "hi" })
        assertFailure(answer, "internal_error")
        assert.isNull(jsonIn(answer)["details"])
        assert.notMatch(`${answer.text}${JSON.stringify(answer.headers)}`, /the cause|\.ts\b|node_modules|Error:/)

        const bugs = lines.filter((line) => line.includes('"message":"internal error"'))
        assert.strictEqual(bugs.length, 1)
        const { cause, level, request_id } = JSON.parse(bugs[0] ?? "{}")
        assert.deepStrictEqual([level, request_id], ["ERROR", answer.headers["x-request-id"]])
        // Whoever mends it needs to know where it came from.
        if (defect instanceof Error) assert.match(cause, /\bError\b(?:.|\n)*InternalError\.test\.ts:\d+/)
        assert.isTrue(lines.some((line) => line.includes('"status":500') && line.includes('"error":"internal_error"')))
      })
    )
  }

  it.live("in the middle of a stream breaks it off, and is logged the same", () =>
    Effect.gen(function* () {
      const { lines, url } = yield* buggyService(new Error("the cause"))
      const client = yield* openStream(url, "/event", { content: "hi", stream: true })
      yield* eventually(() => client.broken() || client.ended())
      assert.isTrue(client.broken())
      yield* eventually(() => lines.some((line) => line.includes('"status":500')))
      assert.strictEqual(lines.filter((line) => line.includes('"message":"internal error"')).length, 1)
      const samples = parseMetrics((yield* send(url, { path: "/metrics" })).text)
      assert.strictEqual(sampleValue(samples, "ai_ticket_http_requests_in_flight"), 1)
    })
  )

  it.live("costs nobody else anything, and is counted", () =>
    Effect.gen(function* () {
      const { url } = yield* buggyService(new Error("the cause"))
      yield* Effect.forEach([1, 2, 3], () => sendEvent(url, { content: "hi" }), { concurrency: 3 })
      assert.strictEqual((yield* send(url)).status, 200)
      const samples = parseMetrics((yield* send(url, { path: "/metrics" })).text)
      const labels = { method: "POST", endpoint: "/event", status: "500" }
      assert.strictEqual(sampleValue(samples, "ai_ticket_http_requests_total", labels), 3)
      assert.strictEqual(sampleValue(samples, "ai_ticket_http_requests_in_flight"), 1)
    })
  )
})
