import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertFailure, jsonIn, send, sendEvent, until } from "../support/Http.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { rawBackend } from "../support/RawBackend.ts"
import { startService } from "../support/Running.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { testService } from "../support/TestService.ts"

const ready = (url: string) => send(url, { path: "/ready" })

/** A backend whose port nobody listens on any more. */
const refusing = Effect.scoped(Effect.map(scriptedBackend, ({ url }) => url))

const withoutRetries = { AI_TICKET_RETRY_BUDGET_PER_SECOND: "0", AI_TICKET_RETRY_BUDGET_PERCENT: "0" }

const breakerStates = (url: string) =>
  Effect.map(send(url, { path: "/metrics" }), ({ text }) => {
    const samples = parseMetrics(text)
    const value = (state: string) =>
      sampleValue(samples, "ai_ticket_backend_breaker_state", { backend: "koboldcpp", state })
    return { closed: value("closed"), half_open: value("half_open"), open: value("open") }
  })

describe("GET /health", () => {
  it.live("is 200 and its two fields, backend or not", () =>
    Effect.gen(function* () {
      const { url } = yield* testService({ KOBOLDCPP_API_URL: yield* refusing })
      const answer = yield* send(url)
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(jsonIn(answer), { status: "healthy", shutdown_initiated: false })
    })
  )
})

describe("GET /ready", () => {
  it.live("is 200 while the backend is up, with the line and the backend's state", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const answer = yield* ready(url)
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(jsonIn(answer), {
        ready: true,
        draining: false,
        queue: { waiting: 0, in_use: 0, expected_wait_seconds: 0 },
        backends: [
          { name: "koboldcpp", state: "up", breaker: "closed", health: "unknown", in_use: 0, slots: 1, queue: 0 }
        ]
      })
    })
  )

  it.live("is 503 while the backend refuses connections", () =>
    Effect.gen(function* () {
      const { url } = yield* testService({ KOBOLDCPP_API_URL: yield* refusing })
      const answer = yield* ready(url)
      assert.strictEqual(answer.status, 503)
      assert.deepStrictEqual(jsonIn(answer), {
        ready: false,
        draining: false,
        queue: { waiting: 0, in_use: 0, expected_wait_seconds: 0 },
        backends: [{ name: "koboldcpp", state: "down", breaker: "closed", health: "unknown", in_use: 0, slots: 1 }]
      })
    })
  )
})

describe("GET /ready behind a proxy", () => {
  const statusBehind = (answer: string) =>
    Effect.gen(function* () {
      const proxy = yield* rawBackend(`HTTP/1.1 ${answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
      const { url } = yield* testService({ KOBOLDCPP_API_URL: proxy.url })
      return yield* ready(url)
    })

  it.live("is 503 while the proxy says that the backend is down", () =>
    Effect.gen(function* () {
      const answer = yield* statusBehind("502 Bad Gateway")
      assert.strictEqual(answer.status, 503)
      assert.deepInclude(jsonIn(answer), {
        backends: [{ name: "koboldcpp", state: "down", breaker: "closed", health: "unknown", in_use: 0, slots: 1 }]
      })
    })
  )

  it.live("is 200 when the backend only doesn't know that question", () =>
    Effect.gen(function* () {
      const answer = yield* statusBehind("404 Not Found")
      assert.strictEqual(answer.status, 200)
      assert.deepInclude(jsonIn(answer), {
        backends: [{ name: "koboldcpp", state: "up", breaker: "closed", health: "unknown", in_use: 0, slots: 1 }]
      })
    })
  )
})

describe("a backend that keeps failing", () => {
  const failing = Effect.gen(function* () {
    const service = yield* startService(withoutRetries)
    const step = [{ status: 500 }]
    service.backend.script({ chat: step, completion: step, generate: step })
    for (let request = 1; request <= 10; request++) {
      assertFailure(yield* sendEvent(service.url, { content: "hi" }), "api_server_error")
      if (request < 10) assert.strictEqual((yield* ready(service.url)).status, 200)
    }
    return service
  })

  it.live("is asked no more after ten requests: no_backend_available, with Retry-After", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* failing
      const before = backend.calls.length
      const answer = yield* sendEvent(url, { content: "hi" })
      assertFailure(answer, "no_backend_available")
      assert.match(String(answer.headers["retry-after"]), /^[1-9]\d*$/)
      assert.isAtMost(Number(answer.headers["retry-after"]), 30)
      assert.strictEqual(backend.calls.length, before)
    })
  )

  it.live("makes /ready and the metrics say so", () =>
    Effect.gen(function* () {
      const { url } = yield* failing
      const answer = yield* ready(url)
      assert.strictEqual(answer.status, 503)
      assert.deepInclude(jsonIn(answer), {
        ready: false,
        backends: [
          { name: "koboldcpp", state: "up", breaker: "open", health: "failing", in_use: 0, slots: 1, queue: 0 }
        ]
      })
      assert.deepStrictEqual(yield* breakerStates(url), { closed: 0, half_open: 0, open: 1 })
    })
  )

  it.live("is tried again by one request, and trusted when that one succeeds", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* failing
      backend.script({})
      yield* until(sendEvent(url, { content: "hi" }), ({ status }) => status === 200)
      const answer = yield* ready(url)
      assert.strictEqual(answer.status, 200)
      assert.deepInclude(jsonIn(answer), {
        backends: [{ name: "koboldcpp", state: "up", breaker: "closed", health: "good", in_use: 0, slots: 1, queue: 0 }]
      })
      assert.deepStrictEqual(yield* breakerStates(url), { closed: 1, half_open: 0, open: 0 })
    })
  )

  it.live("is ready again for that one request: /ready must not keep it away for ever", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* failing
      backend.script({})
      // Nobody sends work to an instance that isn't ready, so this has to come by itself.
      yield* until(ready(url), ({ status }) => status === 200)
      assert.strictEqual((yield* sendEvent(url, { content: "hi" })).status, 200)
    })
  )

  it.live("is not failing when it only refuses what it is asked", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService(withoutRetries)
      backend.script({ chat: [{ status: 422 }] })
      for (let request = 1; request <= 12; request++) {
        assertFailure(yield* sendEvent(url, { content: "hi" }), "api_client_error")
      }
      assert.strictEqual((yield* ready(url)).status, 200)
    })
  )
})
