import { randomUUID } from "node:crypto"
import { Agent } from "node:http"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { errorCatalogue } from "../../src/domain/ErrorCatalogue.ts"
import { routeTable } from "../../src/http/RouteTable.ts"
import { type Outgoing, send } from "../support/Http.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { startService } from "../support/Running.ts"
import type { Step } from "../support/ScriptedBackend.ts"
import { eventually } from "../support/TestService.ts"

/** All that a label may ever say. */
const closed: Readonly<Record<string, ReadonlySet<string>>> = {
  endpoint: new Set([...Object.keys(routeTable), "other", "chat", "completion", "generate"]),
  method: new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "other"]),
  status: new Set(["200", "499", ...Object.values(errorCatalogue).map(({ status }) => String(status))]),
  backend: new Set(["koboldcpp"]),
  outcome: new Set([
    "success",
    "aborted",
    "heard",
    "failed",
    "won",
    "lost",
    "answered",
    ...Object.keys(errorCatalogue)
  ]),
  state: new Set(["closed", "half_open", "open"]),
  direction: new Set(["input", "output"]),
  source: new Set(["hit", "joined", "miss", "bypassed"]),
  fate: new Set(["delivered", "wasted"])
}

/** And all that an attribute of an exported metric may say. */
const closedAttributes: Readonly<Record<string, ReadonlySet<unknown>>> = {
  ...closed,
  "http.request.method": new Set(
    [...(closed["method"] ?? [])].map((method) => (method === "other" ? "_OTHER" : method))
  ),
  "http.route": new Set(Object.keys(routeTable)),
  "http.response.status_code": new Set([...(closed["status"] ?? [])].map(Number)),
  "url.scheme": new Set(["http"]),
  "error.type": new Set([...(closed["status"] ?? []), ...(closed["outcome"] ?? [])]),
  "gen_ai.operation.name": new Set(["chat", "text_completion"]),
  "gen_ai.provider.name": new Set(["koboldcpp"]),
  "gen_ai.token.type": new Set(["input", "output"]),
  "ai_ticket.backend": new Set(["koboldcpp"])
}

const requests = 10_000
const httpDuration = "http.server.request.duration"

const methods = ["GET", "POST", "PUT", "PROPFIND", "MKCOL", "REPORT", "PURGE", "QUERY", "M-SEARCH", "LINK"]

/** A request of which every part is new. */
const unheardOf = (at: number): Outgoing => {
  const word = randomUUID()
  const paths = [`/event?${word}`, `/${word}`, `/event/${word}`, "/event", `/health/${word}`, `/${word}/../event`]
  const openAiPaths = ["/v1/chat/completions", `/v1/models/${word}`, `/v1/completions?${word}`, `/v1/${word}`]
  const path = at < 300 ? paths[at % paths.length] : openAiPaths[at % openAiPaths.length]
  return {
    method: at % 2 === 0 ? "POST" : (methods[(at * 7) % methods.length] ?? "GET"),
    path: path ?? "/",
    headers: {
      "content-type": "application/json",
      "x-request-id": word,
      "x-api-key": at % 5 === 0 ? word : "secret",
      "user-agent": word,
      traceparent: `00-${word.replaceAll("-", "")}-${word.replaceAll("-", "").slice(16)}-01`,
      "x-forwarded-for": `198.51.${at % 256}.${(at * 7) % 256}`,
      [`x-${word}`]: word
    },
    body: JSON.stringify({
      content: { prompt: word, model: word, [word]: word },
      messages: [{ role: word, content: word }],
      model: word,
      id: word
    })
  }
}

/** Answers whose every part is new, good and bad ones. */
const unheardOfSteps = (count: number): ReadonlyArray<Step> =>
  Array.from({ length: count }, (_, at): Step => {
    const word = randomUUID()
    const choices = [{ message: { content: word }, finish_reason: word }]
    return at % 4 === 0
      ? { status: 400 + (at % 60), raw: word }
      : { body: { model: word, choices, usage: { [word]: 1 } } }
  })

it.live(
  "nothing that a client or a backend sends becomes a series",
  () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService({
        ...exportingTo(collector),
        OTEL_TRACES_SAMPLER: "always_off",
        OTEL_LOGS_EXPORTER: "none",
        OTEL_METRIC_EXPORT_INTERVAL: "500",
        LOG_LEVEL: "NONE",
        AI_TICKET_AUTH_TOKEN: "secret",
        AI_TICKET_SLOTS: "8",
        TRUST_PROXY_COUNT: "1",
        AI_TICKET_RETRY_BUDGET_PER_SECOND: "0",
        AI_TICKET_RETRY_BUDGET_PERCENT: "0"
      })
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new Agent({ keepAlive: true, maxSockets: 8 })),
        (pool) => Effect.sync(() => pool.destroy())
      )
      backend.script({ chat: unheardOfSteps(100), completion: unheardOfSteps(100), generate: unheardOfSteps(100) })
      const ask = (from: number, to: number) =>
        Effect.forEach(
          Array.from({ length: to - from }, (_, at) => from + at),
          (at) => send(url, { ...unheardOf(at % 400), agent }),
          { concurrency: 8, discard: true }
        )
      const scrape = Effect.map(send(url, { path: "/metrics" }), ({ text }) => parseMetrics(text))
      yield* ask(0, 400)
      // From here on nothing but the clients differs.
      backend.script({})
      yield* ask(400, requests / 5)
      // The first scrape is a request of its own.
      yield* scrape
      const before = (yield* scrape).length
      const exported = () =>
        [...collector.metrics().values()].flatMap(({ name, numbers, points }) =>
          [...points, ...numbers.map((number) => ({ ...number, count: 0 }))].map((point) => ({ ...point, name }))
        )
      const countedSo = (count: number) =>
        eventually(
          () => exported().reduce((sum, point) => sum + (point.name === httpDuration ? point.count : 0), 0) >= count
        )
      yield* countedSo(requests / 5 + 2)
      const exportedBefore = exported().length

      yield* ask(requests / 5, requests)
      const samples = yield* scrape
      yield* countedSo(requests)
      assert.strictEqual(samples.length, before)
      assert.strictEqual(exported().length, exportedBefore)
      for (const { attributes, name } of exported()) {
        for (const [key, value] of Object.entries(attributes)) {
          assert.isTrue(closedAttributes[key]?.has(value), `${name} has ${key}=${value}`)
        }
      }
      for (const { labels, name } of samples) {
        for (const [key, value] of Object.entries(labels)) {
          if (key === "le") assert.match(value, /^(\d+(\.\d+)?|\+Inf)$/)
          else assert.isTrue(closed[key]?.has(value), `${name} has ${key}="${value}"`)
        }
      }
      assert.isAbove(sampleValue(samples, "ai_ticket_backend_attempts_total", { outcome: "success" }) ?? 0, 0)
      assert.isAbove(backend.calls.length, 50)
    }),
  90_000
)
