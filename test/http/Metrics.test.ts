import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { backendErrorCodes } from "../../src/domain/BackendError.ts"
import { send, sendEvent, until } from "../support/Http.ts"
import { parseMetrics, type Sample, sampleValue } from "../support/Prometheus.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const scrape = (url: string) => Effect.map(send(url, { path: "/metrics" }), ({ text }) => parseMetrics(text))

const scrapeUntil = (url: string, wanted: (samples: ReadonlyArray<Sample>) => boolean) =>
  Effect.map(
    until(send(url, { path: "/metrics" }), ({ text }) => wanted(parseMetrics(text))),
    ({ text }) => parseMetrics(text)
  )

const countOf = (samples: ReadonlyArray<Sample>, method: string, endpoint: string, status: string) =>
  sampleValue(samples, "ai_ticket_http_requests_total", { method, endpoint, status })

describe("GET /metrics", () => {
  it.live("is Prometheus' text, from the first scrape on", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const answer = yield* send(url, { path: "/metrics" })
      assert.strictEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      const samples = parseMetrics(answer.text)
      assert.strictEqual(sampleValue(samples, "ai_ticket_http_requests_in_flight"), 1)
      assert.strictEqual(sampleValue(samples, "ai_ticket_queue_depth"), 0)
      assert.isTrue(samples.every(({ name }) => name.startsWith("ai_ticket_")))
    })
  )

  it.live("has the counters of its backend from the first scrape on, at zero: a rate needs a beginning", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const counters = (yield* scrape(url)).filter(({ name }) => /^ai_ticket_(backend|tokens)\w*_total$/.test(name))
      const backend = "koboldcpp"
      const outcomes = ["success", "aborted", "internal_error", ...backendErrorCodes]
      const endpoints = ["chat", "completion", "generate"]
      const at = (name: string, labels: Record<string, string>) => [`ai_ticket_${name}`, { backend, ...labels }]
      assert.sameDeepMembers(
        counters.map(({ labels, name }) => [name, labels]),
        [
          ...endpoints.flatMap((endpoint) => [
            at("backend_retries_total", { endpoint }),
            ...outcomes.map((outcome) => at("backend_attempts_total", { endpoint, outcome }))
          ]),
          at("backend_fallbacks_total", {}),
          ...["won", "lost"].map((outcome) => at("backend_hedges_total", { outcome })),
          ...["answered", "failed"].map((outcome) => at("backend_probes_total", { outcome })),
          ...["heard", "failed"].map((outcome) => at("backend_aborts_total", { outcome })),
          ...["input", "output"].map((direction) => at("tokens_total", { direction }))
        ]
      )
      assert.isTrue(counters.every(({ value }) => value === 0))
    })
  )

  it.live("counts each answer once, by method, route and status", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      yield* sendEvent(url, { content: "hi" })
      yield* sendEvent(url, { content: "hi" })
      yield* sendEvent(url, { content: null }, { path: "/event?x=1" })
      backend.script({ chat: [{ status: 401 }] })
      yield* sendEvent(url, { content: "hi" })
      yield* send(url, { path: "/nowhere" })
      yield* send(url, { method: "PROPFIND", path: "/event" })
      yield* send(url, { method: "HEAD", path: "/health" })
      const samples = yield* scrape(url)
      const totals = samples.filter(({ name }) => name === "ai_ticket_http_requests_total")
      assert.sameDeepMembers(
        totals.map(({ labels, value }): Record<string, unknown> => ({ ...labels, value })),
        [
          { method: "POST", endpoint: "/event", status: "200", value: 2 },
          { method: "POST", endpoint: "/event", status: "422", value: 1 },
          { method: "POST", endpoint: "/event", status: "502", value: 1 },
          { method: "GET", endpoint: "other", status: "404", value: 1 },
          { method: "other", endpoint: "/event", status: "405", value: 1 },
          { method: "HEAD", endpoint: "/health", status: "200", value: 1 }
        ]
      )
      const errors = samples.filter(({ name }) => name === "ai_ticket_http_request_errors_total")
      assert.sameDeepMembers(
        errors.map(({ labels, value }) => [labels["status"], value]),
        [
          ["422", 1],
          ["502", 1],
          ["404", 1],
          ["405", 1]
        ]
      )
    })
  )

  it.live("measures durations in buckets that reach minutes, and they add up", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      yield* Effect.forEach([1, 2, 3], () => sendEvent(url, { content: "hi" }))
      const samples = yield* scrape(url)
      const event = samples.filter(({ labels }) => labels["method"] === "POST" && labels["endpoint"] === "/event")
      const named = (suffix: string) =>
        event.filter(({ name }) => name === `ai_ticket_http_request_duration_seconds_${suffix}`)
      const buckets = named("bucket")
      const bounds = buckets.map(({ labels }) => (labels["le"] === "+Inf" ? Infinity : Number(labels["le"])))
      assert.deepStrictEqual(
        bounds,
        [...bounds].sort((a, b) => a - b)
      )
      assert.strictEqual(bounds.at(-1), Infinity)
      assert.isAtLeast(bounds.at(-2) ?? 0, 300)
      assert.deepStrictEqual(
        buckets.map(({ value }) => value).sort(),
        buckets.map(({ value }) => value)
      )
      assert.strictEqual(buckets.at(-1)?.value, 3)
      assert.strictEqual(named("count")[0]?.value, 3)
      assert.isAbove(named("sum")[0]?.value ?? 0, 0)
    })
  )

  it.live("tells of a client that left: 499, and nothing in flight", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true }] })
      const client = yield* Effect.forkScoped(sendEvent(url, { content: "hi" }), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      assert.strictEqual(sampleValue(yield* scrape(url), "ai_ticket_http_requests_in_flight"), 2)
      yield* Fiber.interrupt(client)
      const samples = yield* scrapeUntil(url, (now) => countOf(now, "POST", "/event", "499") === 1)
      assert.strictEqual(sampleValue(samples, "ai_ticket_http_requests_in_flight"), 1)
      // The slot is free once the backend has heard of it.
      yield* scrapeUntil(url, (now) => sampleValue(now, "ai_ticket_slots_in_use") === 0)
    })
  )

  it.live("tells of the inference: attempts, retries, fallbacks, tokens", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ status: 500 }, { raw: "no JSON" }] })
      yield* sendEvent(url, { content: "hi" })
      const samples = yield* scrape(url)
      const at = { backend: "koboldcpp" }
      const value = (name: string, labels: Record<string, string>) =>
        sampleValue(samples, `ai_ticket_${name}`, { ...at, ...labels })
      assert.strictEqual(value("backend_attempts_total", { endpoint: "chat", outcome: "api_server_error" }), 1)
      assert.strictEqual(value("backend_attempts_total", { endpoint: "chat", outcome: "api_response_format_error" }), 1)
      assert.strictEqual(value("backend_attempts_total", { endpoint: "completion", outcome: "success" }), 1)
      assert.strictEqual(value("backend_retries_total", { endpoint: "chat" }), 1)
      assert.strictEqual(value("backend_fallbacks_total", {}), 1)
      assert.strictEqual(value("tokens_total", { direction: "input" }), 3)
      assert.strictEqual(value("tokens_total", { direction: "output" }), 2)
      for (const name of ["queue_wait_seconds", "overhead_seconds"]) {
        assert.strictEqual(sampleValue(samples, `ai_ticket_${name}_count`), 1)
      }
      assert.strictEqual(value("time_to_first_token_seconds_count", {}), 1)
      const seconds = (name: string) => sampleValue(samples, `ai_ticket_${name}_seconds_sum`) ?? Number.NaN
      const whole = sampleValue(samples, "ai_ticket_http_request_duration_seconds_sum", { endpoint: "/event" })
      const attempts = samples.reduce(
        (sum, { name, value }) => sum + (name === "ai_ticket_backend_attempt_duration_seconds_sum" ? value : 0),
        0
      )
      assert.isAbove(attempts, 0)
      // What wasn't a backend's.
      assert.approximately(seconds("overhead"), (whole ?? 0) - attempts, 1e-6)
    })
  )

  it.live("bears the prefix of the setting", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ METRICS_NAMESPACE: "help_desk" })
      assert.isTrue((yield* scrape(url)).every(({ name }) => name.startsWith("help_desk_")))
    })
  )
})
