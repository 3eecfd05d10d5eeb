import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import packageJson from "../../package.json" with { type: "json" }
import { send, sendEvent } from "../support/Http.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const parent = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" }

describe("a request's trace", () => {
  for (const protocol of ["http/protobuf", "http/json"]) {
    it.live(`is a server span with its attempt below it, over ${protocol}`, () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { backend, url } = yield* startService({
          ...exportingTo(collector),
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=one%20two",
          OTEL_SERVICE_NAME: "front",
          OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test"
        })
        const usage = { prompt_tokens: 7, completion_tokens: 3 }
        backend.script({
          chat: [
            { body: { model: "koboldcpp/m", choices: [{ message: { content: "yes" }, finish_reason: "stop" }], usage } }
          ]
        })
        yield* sendEvent(
          url,
          { content: { prompt: "p", model: "m", max_tokens: 9, temperature: 0.5, top_p: 0.9, top_k: 8, seed: 4 } },
          { headers: { traceparent: `00-${parent.traceId}-${parent.spanId}-01`, tracestate: "v=1", baggage: "k=v" } }
        )
        yield* eventually(() => collector.spans().length >= 2)
        const spans = collector.spans()
        const [server, attempt] = ["POST /event", "chat m"].map((name) => spans.find((span) => span.name === name))
        assert.strictEqual(spans.length, 2)
        assert.isTrue(spans.every(({ failed, traceId }) => !failed && traceId === parent.traceId))

        assert.deepInclude(server, { kind: "server", parentSpanId: parent.spanId, traceState: "v=1" })
        assert.deepInclude(server?.attributes, {
          "http.request.method": "POST",
          "http.route": "/event",
          "url.path": "/event",
          "url.scheme": "http",
          "http.response.status_code": 200,
          "server.address": "127.0.0.1",
          "server.port": Number(new URL(url).port)
        })

        assert.deepInclude(attempt, { kind: "client", parentSpanId: server?.spanId ?? "none" })
        assert.deepInclude(attempt?.attributes, {
          "gen_ai.operation.name": "chat",
          "gen_ai.provider.name": "koboldcpp",
          "gen_ai.request.model": "m",
          "gen_ai.request.max_tokens": 9,
          "gen_ai.request.temperature": 0.5,
          "gen_ai.request.top_p": 0.9,
          "gen_ai.request.top_k": 8,
          "gen_ai.request.seed": 4,
          "gen_ai.response.model": "koboldcpp/m",
          "gen_ai.response.finish_reasons": ["stop"],
          "gen_ai.usage.input_tokens": 7,
          "gen_ai.usage.output_tokens": 3,
          "server.address": "127.0.0.1",
          "server.port": Number(new URL(backend.url).port),
          "ai_ticket.backend": "koboldcpp",
          "ai_ticket.endpoint": "chat"
        })
        assert.isTrue((attempt?.start ?? 0n) >= (server?.start ?? 0n) && (attempt?.end ?? 0n) <= (server?.end ?? 0n))

        const headers = backend.calls[0]?.headers
        assert.strictEqual(headers?.["traceparent"], `00-${parent.traceId}-${attempt?.spanId}-01`)
        assert.strictEqual(headers?.["tracestate"], "v=1")
        assert.notProperty(headers, "baggage")

        const traces = collector.exports.find(({ path }) => path === "/v1/traces")
        assert.strictEqual(traces?.headers["x-tenant"], "one two")
        assert.deepInclude(traces?.resource, {
          "service.name": "front",
          "service.version": packageJson.version,
          "deployment.environment.name": "test",
          "telemetry.sdk.language": "nodejs"
        })
      })
    )
  }
})

describe("an attempt's span", () => {
  const messages = [{ role: "user", content: "p" }]
  const asked = {
    "/v1/chat/completions": { messages, model: "m", max_completion_tokens: 9, max_tokens: 5, seed: 4 },
    "/v1/completions": { prompt: "p", model: "m", max_tokens: 9, seed: 4 },
    "/api/v1/generate": { prompt: "p", model: "m", max_length: 9, sampler_seed: 4 }
  }
  for (const [path, body] of Object.entries(asked)) {
    it.live(`tells what was asked for at ${path}`, () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver()
        const { url } = yield* startService(exportingTo(collector))
        const sampling = { temperature: 0.5, top_p: 0.9, top_k: 8 }
        const headers = { "content-type": "application/json" }
        const answer = yield* send(url, {
          method: "POST",
          path,
          headers,
          body: JSON.stringify({ ...body, ...sampling })
        })
        assert.strictEqual(answer.status, 200)
        yield* eventually(() => collector.spans().length === 2)
        const attempt = collector.spans().find(({ kind }) => kind === "client")
        assert.deepInclude(attempt?.attributes, {
          "gen_ai.request.model": "m",
          "gen_ai.request.max_tokens": 9,
          "gen_ai.request.temperature": 0.5,
          "gen_ai.request.top_p": 0.9,
          "gen_ai.request.top_k": 8,
          "gen_ai.request.seed": 4
        })
      })
    )
  }
})
