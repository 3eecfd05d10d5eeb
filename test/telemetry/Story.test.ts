import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assertFailure, send, sendEvent } from "../support/Http.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { startService } from "../support/Running.ts"
import { streamOf } from "../support/ScriptedBackend.ts"
import { openStream } from "../support/StreamingClient.ts"
import { eventually } from "../support/TestService.ts"

const parent = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" }
const traceparent = `00-${parent.traceId}-${parent.spanId}-01`

const millis = (count: number) => BigInt(Math.round(count * 1000)) * 1000n
const nanosOf = (isoTime: string) => millis(Date.parse(isoTime))

describe("one trace", () => {
  it.live("tells of a request that was queued, retried, fell back and was cancelled", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, lines, url } = yield* startService({ ...exportingTo(collector), LOG_LEVEL: "DEBUG" })
      backend.script({ chat: [{ hang: true }, { status: 500 }], completion: [{ hang: true }] })

      yield* Effect.forkScoped(sendEvent(url, { content: "first" }), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      const headers = { traceparent, "x-request-id": "ours" }
      const sent = yield* Clock.currentTimeMillis
      const asked = yield* Effect.forkScoped(sendEvent(url, { content: "second" }, { headers }), {
        startImmediately: true
      })
      yield* Effect.repeat(send(url, { path: "/metrics" }), {
        until: ({ text }) => /^ai_ticket_queue_depth 1$/m.test(text)
      })
      backend.release()
      yield* eventually(() => backend.calls.some(({ endpoint }) => endpoint === "completion"))
      yield* send(url, { method: "DELETE", path: "/requests/ours" })
      assertFailure(yield* Fiber.join(asked), "cancelled")

      const ours = () => collector.spans().filter(({ traceId }) => traceId === parent.traceId)
      yield* eventually(() => ours().length === 7)
      const spans = [...ours()].sort((a, b) => Number(a.start - b.start))
      const [server, queue, ...rest] = spans
      const attempts = rest.filter(({ attributes }) => "gen_ai.operation.name" in attributes)
      const [abort] = rest.filter(({ name }) => name === "abort")
      const story = attempts.map(({ attributes, name }) => [
        ...[name, attributes["ai_ticket.endpoint"], attributes["error.type"]],
        attributes["gen_ai.request.stream"]
      ])
      assert.deepStrictEqual(story, [
        ["chat", "chat", "api_server_error", false],
        ["chat", "chat", "api_server_error", false],
        ["chat", "chat", "api_server_error", false],
        ["text_completion", "completion", "aborted", false]
      ])

      assert.deepInclude(server, { name: "POST /event", kind: "server", parentSpanId: parent.spanId, failed: false })
      assert.deepInclude(server?.attributes, {
        "http.response.status_code": 409,
        "ai_ticket.error.code": "cancelled",
        "ai_ticket.request.id": "ours",
        "client.address": "127.0.0.1"
      })
      // By the conventions a 4xx is no error of the server's.
      assert.notProperty(server?.attributes, "error.type")
      const from = { "ai_ticket.backend": "koboldcpp" }
      assert.deepStrictEqual(server?.events, [
        { name: "ai_ticket.retry", attributes: { ...from, "ai_ticket.endpoint": "chat" } },
        { name: "ai_ticket.retry", attributes: { ...from, "ai_ticket.endpoint": "chat" } },
        { name: "ai_ticket.fallback", attributes: from }
      ])

      assert.deepInclude(queue, { name: "queue", kind: "internal", failed: false })
      assert.deepInclude(queue?.attributes, { ...from, "ai_ticket.priority": "normal" })
      assert.isTrue(attempts.every(({ failed, kind }) => failed && kind === "client"))
      assert.deepInclude(abort, { kind: "client", failed: false })
      assert.deepInclude(abort?.attributes, { ...from, "ai_ticket.abort.outcome": "heard" })
      for (const span of [queue, abort, ...attempts]) assert.strictEqual(span?.parentSpanId, server?.spanId)
      // One after the other, none before the wait was over.
      const steps = [queue, ...attempts, abort]
      for (const [at, step] of steps.entries()) {
        assert.isTrue((step?.start ?? 0n) <= (step?.end ?? 0n), "it ends after it began")
        assert.isTrue(
          at === 0 || (step?.start ?? 0n) >= (steps[at - 1]?.end ?? 0n) - 1000n,
          "it follows the one before"
        )
      }

      // Each attempt took its own span along, and the log names the trace.
      const calls = backend.calls.filter((call) => call.headers["traceparent"]?.includes(parent.traceId))
      assert.deepStrictEqual(
        calls.map((call) => call.headers["traceparent"]),
        attempts.map(({ spanId }) => `00-${parent.traceId}-${spanId}-01`)
      )
      const line = lines
        .map((text) => JSON.parse(text))
        .find((entry) => entry["message"] === "request" && entry["request_id"] === "ours")
      assert.deepInclude(line, { trace_id: parent.traceId, route: "/event", error: "cancelled" })
      const answered = () =>
        collector.logs().find(({ attributes, body }) => body === "request" && attributes["request_id"] === "ours")
      yield* eventually(() => answered() !== undefined)
      const logged = answered()
      assert.deepInclude(logged, { body: "request", severity: line["level"], traceId: parent.traceId })
      assert.strictEqual(logged?.spanId, server?.spanId)
      const { level, message, time, ...fields } = line
      assert.deepStrictEqual(logged?.attributes, fields)
      // INFO, as OpenTelemetry numbers it.
      assert.strictEqual(logged?.severityNumber, 9)
      assert.strictEqual(logged?.time, nanosOf(line["time"]))

      // Its beginning is no later than the log's, to a millisecond: the line may come late, but not early.
      const { end = 0n, eventTimes = [], start = 0n } = server ?? {}
      const order = [millis(sent - 1), start, ...eventTimes, end]
      assert.deepStrictEqual(
        order,
        [...order].sort((one, other) => Number(one - other))
      )
      assert.isTrue(start <= nanosOf(line["time"]) - millis(line["duration_ms"] - 1))
      assert.isTrue(end >= nanosOf(line["time"]) - millis(1))
    })
  )

  it.live("tells of a stream from its first text to its end", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService(exportingTo(collector))
      const chunk = (choice: object) => `data: ${JSON.stringify({ model: "m", choices: [choice] })}\n\n`
      backend.script({
        chat: [
          {
            pieces: [
              chunk({ delta: { content: "yes" } }),
              chunk({ delta: {}, finish_reason: "length" }),
              "data: [DONE]\n\n"
            ]
          }
        ]
      })
      yield* sendEvent(url, { content: "p", stream: true })
      yield* eventually(() => collector.spans().length === 2)
      const attempt = collector.spans().find(({ kind }) => kind === "client")
      assert.deepInclude(attempt?.attributes, { "gen_ai.request.stream": true, "gen_ai.response.model": "m" })
      assert.deepStrictEqual(attempt?.attributes["gen_ai.response.finish_reasons"], ["length"])
      const firstChunk = Number(attempt?.attributes["gen_ai.response.time_to_first_chunk"])
      const seconds = Number((attempt?.end ?? 0n) - (attempt?.start ?? 0n)) / 1e9
      assert.isTrue(0 < firstChunk && firstChunk <= seconds + 1e-6, `${firstChunk} of ${seconds} seconds`)
      assert.match(String(backend.calls[0]?.headers["traceparent"]), new RegExp(`-${attempt?.spanId}-01$`))
    })
  )

  it.live("lasts until its answer has been written", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService(exportingTo(collector))
      // More than fits between the two of them.
      const content = "x".repeat(15_000_000)
      backend.script({ chat: [{ body: { choices: [{ message: { content } }] } }, {}] })
      const headers = { "x-request-id": "slow" }
      const client = yield* openStream(url, "/event", { content: "p" }, { headers, reads: false })
      yield* eventually(() => client.status() === 200)
      yield* sendEvent(url, { content: "p" }, { headers: { "x-request-id": "quick" } })
      const told = () =>
        collector
          .spans()
          .flatMap(({ attributes, kind }) => (kind === "server" ? [attributes["ai_ticket.request.id"]] : []))
      yield* eventually(() => told().includes("quick"))
      assert.deepStrictEqual(told(), ["quick"])
      client.read()
      yield* eventually(() => told().includes("slow"))
    })
  )

  it.live("tells of a stream that broke off that it failed", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService(exportingTo(collector))
      backend.script({ chat: [{ pieces: streamOf("chat", "one two").slice(0, 1), after: "reset" }] })
      yield* sendEvent(url, { content: "p", stream: true })
      yield* eventually(() => collector.spans().length === 3)
      const failures = collector.spans().map(({ attributes, failed, name }) => [name, failed, attributes["error.type"]])
      assert.sameDeepMembers(failures, [
        ["POST /event", true, "api_connection_error"],
        ["chat", true, "api_connection_error"],
        ["abort", false, undefined]
      ])
      const server = collector.spans().find(({ kind }) => kind === "server")
      assert.strictEqual(server?.attributes["http.response.status_code"], 200)
    })
  )

  it.live("tells of a client that left", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService(exportingTo(collector))
      backend.script({ chat: [{ hang: true }] })
      const asked = yield* Effect.forkScoped(sendEvent(url, { content: "p" }), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      yield* Fiber.interrupt(asked)
      yield* eventually(() => collector.spans().length === 3)
      const server = collector.spans().find(({ kind }) => kind === "server")
      assert.deepInclude(server?.attributes, {
        "http.response.status_code": 499,
        "error.type": "client_closed_request",
        "http.route": "/event"
      })
    })
  )

  it.live("tells that a breaker let nobody through", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService({
        ...exportingTo(collector),
        AI_TICKET_RETRY_BUDGET_PER_SECOND: "0",
        AI_TICKET_RETRY_BUDGET_PERCENT: "0"
      })
      backend.script({ chat: [{ status: 500 }], completion: [{ status: 500 }], generate: [{ status: 500 }] })
      for (let failure = 0; failure < 10; failure++) yield* sendEvent(url, { content: "p" })
      assertFailure(yield* sendEvent(url, { content: "p" }, { headers: { traceparent } }), "no_backend_available")
      const ours = () => collector.spans().find(({ kind, traceId }) => kind === "server" && traceId === parent.traceId)
      yield* eventually(() => ours() !== undefined)
      assert.isTrue(ours()?.failed)
      assert.strictEqual(ours()?.attributes["error.type"], "no_backend_available")
      assert.deepStrictEqual(ours()?.events, [
        { name: "ai_ticket.breaker_open", attributes: { "ai_ticket.backend": "koboldcpp" } }
      ])
    })
  )
})

describe("what is passed on", () => {
  const baggage = "tenant=a"
  const askedWith = (settings: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService({ ...exportingTo(collector), ...settings })
      yield* sendEvent(url, { content: "p" }, { headers: { traceparent, tracestate: "v=1", baggage } })
      return { collector, headers: backend.calls[0]?.headers ?? {} }
    })

  it.live("is baggage only when told", () =>
    Effect.gen(function* () {
      const { headers } = yield* askedWith({ OTEL_PROPAGATORS: "tracecontext,baggage" })
      assert.strictEqual(headers["baggage"], baggage)
      assert.include(String(headers["traceparent"]), parent.traceId)
    })
  )

  it.live("is nothing when told so", () =>
    Effect.gen(function* () {
      const { headers } = yield* askedWith({ OTEL_PROPAGATORS: "none" })
      for (const field of ["traceparent", "tracestate", "baggage"]) assert.notProperty(headers, field)
    })
  )

  it.live("says that nobody records it, where the sampler says no", () =>
    Effect.gen(function* () {
      const settings = { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" }
      const { collector, headers } = yield* askedWith(settings)
      assert.match(String(headers["traceparent"]), new RegExp(`^00-${parent.traceId}-[0-9a-f]{16}-00$`))
      assert.strictEqual(headers["tracestate"], "v=1")
      yield* eventually(() => collector.metrics().has("http.server.request.duration"))
      assert.deepStrictEqual(collector.spans(), [])
    })
  )

  it.live("is nothing at all without a collector", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      yield* sendEvent(url, { content: "p" }, { headers: { traceparent, tracestate: "v=1", baggage } })
      for (const field of ["traceparent", "tracestate", "baggage"]) {
        assert.notProperty(backend.calls[0]?.headers, field)
      }
    })
  )
})
