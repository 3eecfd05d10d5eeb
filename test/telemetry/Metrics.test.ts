import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sendEvent } from "../support/Http.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { startService } from "../support/Running.ts"
import { streamOf } from "../support/ScriptedBackend.ts"
import { eventually } from "../support/TestService.ts"

const seconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
const genAi = {
  "gen_ai.operation.name": "chat",
  "gen_ai.provider.name": "koboldcpp",
  "ai_ticket.backend": "koboldcpp"
}
const http = { "http.request.method": "POST", "url.scheme": "http", "http.route": "/event" }

/** What the conventions ask for: unit, buckets, and what each of the series is about. */
const expected = {
  "http.server.request.duration": {
    unit: "s",
    bounds: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    series: [
      { ...http, "http.response.status_code": 200 },
      // What a client did wrong is no error of the server's.
      { ...http, "http.response.status_code": 400 },
      { ...http, "http.response.status_code": 502, "error.type": "502" }
    ]
  },
  "gen_ai.client.operation.duration": {
    unit: "s",
    bounds: seconds,
    series: [genAi, { ...genAi, "error.type": "api_authentication_error" }]
  },
  "gen_ai.client.token.usage": {
    unit: "{token}",
    bounds: [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864],
    series: [
      { ...genAi, "gen_ai.token.type": "input" },
      { ...genAi, "gen_ai.token.type": "output" }
    ]
  },
  "gen_ai.server.time_to_first_token": {
    unit: "s",
    bounds: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    series: [genAi]
  }
} as const

describe("the metrics that have a convention", () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it.live(`have its names, units, attributes and buckets, over ${protocol}`, () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { backend, url } = yield* startService({
          ...exportingTo(collector),
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_TRACES_EXPORTER: "none"
        })
        const usage = { prompt_tokens: 7, completion_tokens: 3 }
        backend.script({
          chat: [
            { body: { choices: [{ message: { content: "yes" }, finish_reason: "stop" }], usage } },
            { status: 401 }
          ]
        })
        yield* sendEvent(url, { content: { prompt: "p", model: "any" } })
        yield* sendEvent(url, { content: "p" })
        yield* sendEvent(url, {})
        yield* eventually(() => collector.metrics().get("http.server.request.duration")?.points.length === 3)
        const metrics = collector.metrics()
        assert.sameMembers(
          [...metrics.keys()].filter((name) => !name.startsWith("ai_ticket.")),
          Object.keys(expected)
        )
        for (const [name, { bounds, series, unit }] of Object.entries(expected)) {
          const metric = metrics.get(name)
          assert.deepInclude(metric, { unit, cumulative: true }, name)
          assert.sameDeepMembers(
            [...(metric?.points ?? [])].map(({ attributes }) => attributes),
            [...series],
            name
          )
          for (const point of metric?.points ?? []) {
            assert.deepStrictEqual(point.bounds, bounds, name)
            assert.strictEqual(point.count, 1)
            assert.strictEqual(point.buckets.length, bounds.length + 1)
            const [bucket = -1] = point.buckets.flatMap((count, at) => (count === 1 ? [at] : []))
            assert.isTrue(point.sum <= (bounds[bucket] ?? Infinity) && point.sum > (bounds[bucket - 1] ?? -1), name)
          }
        }
        const tokens = metrics.get("gen_ai.client.token.usage")?.points ?? []
        assert.deepStrictEqual(
          Object.fromEntries(tokens.map(({ attributes, sum }) => [attributes["gen_ai.token.type"], sum])),
          { input: 7, output: 3 }
        )
        assert.deepStrictEqual(collector.spans(), [])
      })
    )
  }

  it.live("count a stream that broke off as an error, though it began with a 200", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService(exportingTo(collector))
      backend.script({ chat: [{ pieces: streamOf("chat", "one two").slice(0, 1), after: "reset" }] })
      yield* sendEvent(url, { content: "p", stream: true })
      const durations = () => collector.metrics().get("http.server.request.duration")?.points ?? []
      yield* eventually(() => durations().length === 1)
      assert.deepStrictEqual(durations()[0]?.attributes, {
        ...{ ...http, "http.response.status_code": 200 },
        "error.type": "api_connection_error"
      })
    })
  )
})
