import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as HttpService from "../../src/http/HttpService.ts"
import { Auth } from "../../src/services/Auth.ts"
import * as Core from "../../src/services/Core.ts"
import { Inference } from "../../src/services/Inference.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import * as Logging from "../../src/services/Logging.ts"
import { RateLimit } from "../../src/services/RateLimit.ts"
import { Readiness } from "../../src/services/Readiness.ts"
import { Settings } from "../../src/services/Settings.ts"
import { assertFailure, jsonIn, send, sendEvent } from "../support/Http.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"

/** The service as it is, but for an inference with a bug in it. */
const buggyService = Effect.fnUntraced(function* (defect: unknown) {
  const lines: Array<string> = []
  const inference = Layer.mock(Inference)({ onEvent: () => Effect.die(defect) })
  const context = yield* Layer.build(
    HttpService.layer.pipe(
      Layer.provide(inference),
      Layer.provideMerge(Layer.mergeAll(Auth.layer, RateLimit.layer, Readiness.layer)),
      Layer.provideMerge(Layer.merge(Core.layer, Lifecycle.layer)),
      Layer.provide(NodeServices.layer),
      Layer.provide(Logging.layer((line) => void lines.push(line), { terminal: false })),
      Layer.provide(Settings.layerRecord({ PORT: "0", RATE_LIMIT_REQUESTS: "0" }))
    )
  )
  return { url: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address), lines }
})

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

        const causes = lines.filter((line) => line.includes("the cause"))
        assert.strictEqual(causes.length, 1)
        const { level, request_id } = JSON.parse(causes[0] ?? "{}")
        assert.deepStrictEqual([level, request_id], ["ERROR", answer.headers["x-request-id"]])
        assert.isTrue(lines.some((line) => line.includes('"status":500') && line.includes('"error":"internal_error"')))
      })
    )
  }

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
