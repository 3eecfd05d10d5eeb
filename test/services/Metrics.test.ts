import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { errorCatalogue } from "../../src/domain/ErrorCatalogue.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import type { BreakerState } from "../../src/services/Recorder.ts"
import { Settings } from "../../src/services/Settings.ts"
import { MetricExport } from "../../src/services/telemetry/MetricExport.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"

const metricsNamed = (namespace = "ai_ticket") =>
  Effect.map(
    Layer.build(Metrics.layer.pipe(Layer.provide(Settings.layerRecord({ METRICS_NAMESPACE: namespace })))),
    (context) => Context.get(context, Metrics)
  )

/** One of everything that is counted. */
const countAll = (metrics: Metrics["Service"]) => {
  metrics.httpStarted()
  metrics.httpEnded({ method: "POST", endpoint: "/event", status: 200, millis: 90_000 })
  metrics.httpRefused({ method: "other", endpoint: "other", status: 400 })
  for (const outcome of ["success", "aborted", "api_server_error"] as const) {
    metrics.attempt({ backend: "koboldcpp", endpoint: "chat", outcome, millis: 10 })
  }
  metrics.retry("koboldcpp", "chat")
  metrics.fallback("koboldcpp")
  metrics.abort("koboldcpp", "heard")
  metrics.abort("koboldcpp", "failed")
  metrics.readLine(() => ({ waiting: 3, inUse: 1 }), Effect.succeed(1500))
  metrics.queueWait(20)
  metrics.readBreaker("koboldcpp", Effect.succeed("half_open"))
  metrics.tokens("koboldcpp", { promptTokens: 30, completionTokens: 20 }, "chat")
  metrics.firstToken("koboldcpp", 1500, "chat")
  metrics.overhead(2)
}

describe("the page of metrics", () => {
  it.effect("is Prometheus' text format, with a help for each family and counters that end in _total", () =>
    Effect.gen(function* () {
      const metrics = yield* metricsNamed()
      countAll(metrics)
      const page = yield* metrics.render
      assert.isAbove(parseMetrics(page).length, 100)
      const types = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type = ""]) => ({ name, type }))
      const helped = [...page.matchAll(/^# HELP (\S+) \S/gm)].map(([, name = ""]) => name)
      assert.deepStrictEqual(helped.toSorted(), types.map(({ name }) => name).sort())
      for (const { name, type } of types) assert.strictEqual(name.endsWith("_total"), type === "counter", name)
    })
  )

  it.effect("has every series that is promised, under the namespace", () =>
    Effect.gen(function* () {
      for (const namespace of ["ai_ticket", "Other_9"]) {
        const metrics = yield* metricsNamed(namespace)
        countAll(metrics)
        const names = parseMetrics(yield* metrics.render).map(({ name }) => name.replace(/_(bucket|sum|count)$/, ""))
        assert.deepStrictEqual(
          [...new Set(names)].sort(),
          [
            ...["http_requests_total", "http_request_errors_total", "http_request_duration_seconds"],
            ...["http_requests_in_flight", "backend_attempts_total", "backend_attempt_duration_seconds"],
            ...["backend_retries_total", "backend_fallbacks_total", "backend_aborts_total", "queue_depth"],
            ...[
              "queue_expected_wait_seconds",
              "slots_in_use",
              "queue_wait_seconds",
              "backend_breaker_state",
              "tokens_total"
            ],
            ...["time_to_first_token_seconds", "overhead_seconds", "shared_answers_total"]
          ]
            .map((name) => `${namespace}_${name}`)
            .sort()
        )
      }
    })
  )

  it.effect("measures in seconds", () =>
    Effect.gen(function* () {
      const metrics = yield* metricsNamed()
      countAll(metrics)
      const samples = parseMetrics(yield* metrics.render)
      const expected = {
        http_request_duration_seconds_sum: 90,
        backend_attempt_duration_seconds_sum: 0.03,
        queue_expected_wait_seconds: 1.5,
        queue_wait_seconds_sum: 0.02,
        time_to_first_token_seconds_sum: 1.5,
        overhead_seconds_sum: 0.002
      }
      for (const [name, seconds] of Object.entries(expected)) {
        assert.approximately(sampleValue(samples, `ai_ticket_${name}`) ?? Number.NaN, seconds, 1e-9, name)
      }
    })
  )

  it.effect("names its gauges before anything has happened", () =>
    Effect.gen(function* () {
      const page = yield* (yield* metricsNamed()).render
      for (const name of ["http_requests_in_flight", "queue_depth", "slots_in_use"]) {
        assert.strictEqual(sampleValue(parseMetrics(page), `ai_ticket_${name}`), 0)
      }
    })
  )

  it.effect("names a backend's counters before anything has happened, and doesn't touch what has", () =>
    Effect.gen(function* () {
      const metrics = yield* metricsNamed()
      metrics.retry("koboldcpp", "chat")
      metrics.announce("koboldcpp", ["chat", "generate"], "koboldcpp")
      const samples = parseMetrics(yield* metrics.render)
      const value = (name: string, labels: Record<string, string>) => sampleValue(samples, `ai_ticket_${name}`, labels)
      assert.strictEqual(value("backend_retries_total", { endpoint: "chat" }), 1)
      assert.strictEqual(value("backend_retries_total", { endpoint: "generate" }), 0)
      assert.strictEqual(value("backend_attempts_total", { endpoint: "generate", outcome: "aborted" }), 0)
    })
  )

  it.effect("reads the waiting line when it is rendered", () =>
    Effect.gen(function* () {
      const metrics = yield* metricsNamed()
      const state = { waiting: 3, inUse: 1 }
      metrics.readLine(() => state, Effect.succeed(0))
      assert.strictEqual(sampleValue(parseMetrics(yield* metrics.render), "ai_ticket_queue_depth"), 3)
      state.waiting = 0
      const page = yield* metrics.render
      assert.deepStrictEqual(
        [
          sampleValue(parseMetrics(page), "ai_ticket_queue_depth"),
          sampleValue(parseMetrics(page), "ai_ticket_slots_in_use")
        ],
        [0, 1]
      )
    })
  )

  it.effect("labels with closed sets", () =>
    Effect.gen(function* () {
      const metrics = yield* metricsNamed()
      countAll(metrics)
      const known: Readonly<Record<string, ReadonlyArray<string>>> = {
        method: ["POST", "other"],
        endpoint: ["/event", "other", "chat"],
        status: ["200", "400"],
        backend: ["koboldcpp"],
        outcome: ["success", "aborted", "heard", "failed", ...Object.keys(errorCatalogue)],
        state: ["closed", "half_open", "open"],
        direction: ["input", "output"],
        source: ["hit", "joined", "miss", "bypassed"]
      }
      for (const { labels } of parseMetrics(yield* metrics.render)) {
        for (const [label, value] of Object.entries(labels)) {
          if (label !== "le") assert.include(known[label] ?? [], value, label)
        }
      }
    })
  )

  it.effect("counts requests, and those answered with an error once more", () =>
    Effect.gen(function* () {
      const metrics = yield* metricsNamed()
      const labels = { method: "POST", endpoint: "/event" }
      for (const status of [200, 200, 399, 400, 503]) {
        metrics.httpStarted()
        metrics.httpEnded({ ...labels, status, millis: 500 })
      }
      metrics.httpStarted()
      metrics.httpRefused({ ...labels, status: 400 })
      const page = yield* metrics.render
      const counted = (name: string) =>
        ["200", "399", "400", "503"].map((status) =>
          sampleValue(parseMetrics(page), `ai_ticket_${name}`, { ...labels, status })
        )
      assert.deepStrictEqual(counted("http_requests_total"), [2, 1, 2, 1])
      assert.deepStrictEqual(counted("http_request_errors_total"), [undefined, undefined, 2, 1])
      assert.strictEqual(sampleValue(parseMetrics(page), "ai_ticket_http_request_duration_seconds_count", labels), 5)
      assert.strictEqual(sampleValue(parseMetrics(page), "ai_ticket_http_request_duration_seconds_sum", labels), 2.5)
      assert.strictEqual(sampleValue(parseMetrics(page), "ai_ticket_http_requests_in_flight"), 1)
    })
  )

  it.effect("has histograms that reach minutes, cumulative and ending in everything", () =>
    Effect.gen(function* () {
      const metrics = yield* metricsNamed()
      for (const millis of [1, 100, 45_000, 200_000, 10_000_000]) metrics.queueWait(millis)
      const page = yield* metrics.render
      const buckets = parseMetrics(page)
        .filter(({ name }) => name === "ai_ticket_queue_wait_seconds_bucket")
        .map(({ labels, value }) => ({
          le: labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels["le"]),
          value
        }))
      const upTo = (seconds: number) => buckets.find(({ le }) => le === seconds)?.value
      assert.deepStrictEqual([0.005, 0.1, 30, 60, 120, 300, 600].map(upTo), [1, 2, 2, 3, 3, 4, 4])
      assert.strictEqual(upTo(Number.POSITIVE_INFINITY), 5)
      assert.deepStrictEqual(
        buckets,
        [...buckets].sort((one, other) => one.le - other.le || one.value - other.value)
      )
      assert.strictEqual(sampleValue(parseMetrics(page), "ai_ticket_queue_wait_seconds_count"), 5)
    })
  )

  it.effect("shows the one state that the breaker is in", () =>
    Effect.gen(function* () {
      const metrics = yield* metricsNamed()
      let now: BreakerState = "closed"
      metrics.readBreaker(
        "koboldcpp",
        Effect.sync(() => now)
      )
      for (now of ["open", "half_open", "closed"] as const) {
        const page = yield* metrics.render
        for (const state of ["open", "half_open", "closed"]) {
          const shown = sampleValue(parseMetrics(page), "ai_ticket_backend_breaker_state", {
            backend: "koboldcpp",
            state
          })
          assert.strictEqual(shown, state === now ? 1 : 0)
        }
      }
    })
  )

  it.effect("is each instance's own", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* metricsNamed(), yield* metricsNamed()]
      one.fallback("koboldcpp")
      assert.isUndefined(
        sampleValue(parseMetrics(yield* other.render), "ai_ticket_backend_fallbacks_total", { backend: "koboldcpp" })
      )
    })
  )
})

describe("a backend that is in use no more", () => {
  it.effect("is forgotten on the page and by whoever exports, and others are not", () =>
    Effect.gen(function* () {
      const exported = Context.make(Metric.MetricRegistry, new Map())
      const metrics = yield* Effect.provideService(metricsNamed(), MetricExport, {
        conventions: exported,
        also: () => Effect.void
      })
      metrics.announce("other", ["chat"], "koboldcpp")
      metrics.announce("koboldcpp", ["chat"], "koboldcpp")
      for (const hedge of ["won", "lost"] as const) metrics.hedge("koboldcpp", hedge)
      metrics.probe("koboldcpp", "failed")
      metrics.delivered("koboldcpp", 20)
      countAll(metrics)
      metrics.attempt({ backend: "other", endpoint: "chat", outcome: "success", millis: 10 })
      const backendsOf = () =>
        Metric.snapshotUnsafe(exported).flatMap(({ attributes }) => attributes?.["ai_ticket.backend"] ?? [])
      assert.includeMembers(backendsOf(), ["koboldcpp", "other"])
      metrics.forget("koboldcpp")
      const page = yield* metrics.render
      assert.notInclude(page, '"koboldcpp"')
      assert.include(page, '"other"')
      assert.notInclude(backendsOf(), "koboldcpp")
      assert.include(backendsOf(), "other")

      // It comes back as it came, from zero.
      metrics.announce("koboldcpp", ["chat"], "koboldcpp")
      const samples = parseMetrics(yield* metrics.render)
      const labels = { backend: "koboldcpp", outcome: "success" }
      assert.strictEqual(sampleValue(samples, "ai_ticket_backend_attempts_total", labels), 0)
    })
  )
})
