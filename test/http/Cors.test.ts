import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { routeTable } from "../../src/http/RouteTable.ts"
import { type Incoming, type Outgoing, send } from "../support/Http.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { Running, running, startService } from "../support/Running.ts"

const lite = "https://lite.koboldai.net"
const asking = (origin: string, more: Readonly<Record<string, string>> = {}) => ({
  method: "OPTIONS",
  headers: { origin, "access-control-request-method": "POST", ...more }
})

const corsFields = ({ headers }: Incoming) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name === "vary" || name.startsWith("access-control")))

const exposed =
  "X-Request-Id, X-Request-Processed-By, Server-Timing, Retry-After, RateLimit, RateLimit-Policy, X-AI-Ticket-Cache, X-Should-Retry"
const whole = (origin: string) => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": exposed
})
const preflight = {
  "access-control-allow-methods": "POST, GET, HEAD, DELETE",
  "access-control-allow-headers":
    "*, Authorization, Content-Type, Cache-Control, X-API-Key, X-Request-Id, X-Request-Timeout, X-Priority, genkey",
  "access-control-max-age": "600"
}

const token = { authorization: "Bearer secret" }
const json = { "content-type": "application/json" }

/** Answers of every kind: whole, streamed, refused by each of those who refuse. */
const answers: Record<string, { readonly status: number; readonly ask: Outgoing }> = {
  health: { status: 200, ask: { path: "/health" } },
  "an event": {
    status: 200,
    ask: { method: "POST", path: "/event", headers: { ...token, ...json }, body: '{"content":"hi"}' }
  },
  "a stream of an event": {
    status: 200,
    ask: { method: "POST", path: "/event", headers: { ...token, ...json }, body: '{"content":"hi","stream":true}' }
  },
  "a native answer": {
    status: 200,
    ask: { method: "POST", path: "/api/v1/generate", headers: token, body: '{"prompt":"p"}' }
  },
  "a native stream": {
    status: 200,
    ask: { method: "POST", path: "/api/extra/generate/stream", headers: token, body: '{"prompt":"p"}' }
  },
  "no token": { status: 401, ask: { path: "/api/extra/version" } },
  "a wrong token": { status: 403, ask: { path: "/event", headers: { "x-api-key": "wrong" } } },
  "no route": { status: 404, ask: { path: "/v1/nowhere", headers: token } },
  "another method": { status: 405, ask: { method: "PUT", path: "/event", headers: token } },
  "a bad body": { status: 400, ask: { method: "POST", path: "/api/v1/generate", headers: token, body: "{" } },
  "a large body": {
    status: 413,
    ask: { method: "POST", path: "/event", headers: { ...token, ...json }, body: "x".repeat(1001) }
  }
}

const settings = { AI_TICKET_AUTH_TOKEN: "secret", AI_TICKET_MAX_BODY_BYTES: "1000" }

it.layer(running({ ...settings, AI_TICKET_CORS_ORIGINS: `http://localhost:8000,${lite}` }), {
  excludeTestServices: true
})("with origins", (it) => {
  for (const [name, { ask, status }] of Object.entries(answers)) {
    it.effect(`${name} can be read by their pages, and by no others`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const from = (origin?: string) =>
          send(url, { ...ask, headers: { ...ask.headers, ...(origin === undefined ? {} : { origin }) } })
        const theirs = yield* from(lite)
        assert.strictEqual(theirs.status, status)
        assert.deepStrictEqual(corsFields(theirs), { ...whole(lite), vary: "Origin" })
        for (const origin of [
          "https://evil.example",
          `${lite}.evil.example`,
          "http://lite.koboldai.net",
          "null",
          undefined
        ]) {
          const other = yield* from(origin)
          assert.strictEqual(other.status, status)
          assert.deepStrictEqual(corsFields(other), { vary: "Origin" })
        }
      })
    )
  }

  for (const path of ["/event", "/api/v1/generate", "/v1/chat/completions", "/requests/mine", "/nowhere"]) {
    it.effect(`a browser that asks before it sends to ${path} needs no token`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const answer = yield* send(url, {
          ...asking(lite, { "access-control-request-headers": "authorization" }),
          path
        })
        assert.deepStrictEqual([answer.status, answer.text], [204, ""])
        assert.deepStrictEqual(corsFields(answer), { ...whole(lite), ...preflight, vary: "Origin" })
        assert.strictEqual(answer.headers["x-request-processed-by"], "ai-ticket")
        assert.strictEqual(backend.questions.length, 0)
      })
    )
  }

  it("every route's method is among those that a page is let use", () => {
    const methods = preflight["access-control-allow-methods"].split(", ")
    assert.sameMembers(methods, [...new Set(Object.values(routeTable).flat())])
  })

  it.effect("other origins and other uses of OPTIONS are refused as ever", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      const other = yield* send(url, { ...asking("https://evil.example"), path: "/event" })
      assert.deepStrictEqual([other.status, corsFields(other)], [401, { vary: "Origin" }])
      const plain = yield* send(url, { method: "OPTIONS", path: "/event", headers: { origin: lite, ...token } })
      assert.strictEqual(plain.status, 405)
      assert.strictEqual(plain.headers["allow"], "POST")
    })
  )
})

it.layer(running({ ...settings, AI_TICKET_CORS_ORIGINS: "*" }), { excludeTestServices: true })("with a star", (it) => {
  for (const [name, { ask, status }] of Object.entries(answers)) {
    it.effect(`${name} can be read by every page`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        for (const origin of [lite, "null"]) {
          const answer = yield* send(url, { ...ask, headers: { ...ask.headers, origin } })
          assert.deepStrictEqual([answer.status, corsFields(answer)], [status, whole("*")])
        }
        const asked = yield* send(url, { ...asking("null"), path: ask.path ?? "/" })
        assert.deepStrictEqual([asked.status, corsFields(asked)], [204, { ...whole("*"), ...preflight }])
      })
    )
  }
})

it.layer(running(settings), { excludeTestServices: true })("without origins", (it) => {
  for (const [name, { ask, status }] of Object.entries(answers)) {
    it.effect(`${name} says nothing of them`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const answer = yield* send(url, { ...ask, headers: { ...ask.headers, origin: lite } })
        assert.deepStrictEqual([answer.status, corsFields(answer)], [status, {}])
      })
    )
  }

  it.effect("OPTIONS is another method", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      const answer = yield* send(url, { ...asking(lite, token), path: "/api/v1/generate" })
      assert.deepStrictEqual([answer.status, answer.headers["allow"]], [405, "POST"])
    })
  )
})

describe("a browser that asks before it sends", () => {
  it.live("uses up no limit, and is seen in log and metrics", () =>
    Effect.gen(function* () {
      const { lines, url } = yield* startService({ AI_TICKET_CORS_ORIGINS: lite, RATE_LIMIT_REQUESTS: "1" })
      for (let at = 0; at < 5; at++) {
        const asked = yield* send(url, { ...asking(lite), path: "/api/extra/abort" })
        assert.strictEqual(asked.status, 204)
        assert.isUndefined(asked.headers["ratelimit"])
      }
      const sent = { method: "POST", path: "/api/extra/abort", headers: { origin: lite } }
      assert.strictEqual((yield* send(url, sent)).status, 200)
      const refused = yield* send(url, sent)
      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.headers["access-control-allow-origin"], lite)
      const metrics = yield* send(url, { path: "/metrics" })
      const labels = { endpoint: "/api/extra/abort", method: "OPTIONS", status: "204" }
      assert.strictEqual(sampleValue(parseMetrics(metrics.text), "ai_ticket_http_requests_total", labels), 5)
      assert.strictEqual(lines.filter((line) => line.includes('"method":"OPTIONS"')).length, 5)
    })
  )
})
