import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { MetricsSummary } from "../../src/domain/MetricsSummary.ts"
import { assertFailure, jsonIn, send, sendEvent } from "../support/Http.ts"
import { startService } from "../support/Running.ts"
import { streamOf } from "../support/ScriptedBackend.ts"
import { eventually } from "../support/TestService.ts"

const path = "/api/metrics/summary"

const decode = Schema.decodeUnknownSync(MetricsSummary)

const summaryOf = (url: string) => Effect.map(send(url, { path }), (answer) => decode(jsonIn(answer)))

const answer = {
  body: {
    choices: [{ message: { content: "fine" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 7, completion_tokens: 5 }
  }
}

describe("GET /api/metrics/summary", () => {
  it.live("tells what was done, how long it took, and what failed", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [answer, answer, { status: 401 }] })
      for (let at = 0; at < 3; at++)
        yield* sendEvent(url, { content: "hello" }, { headers: { "x-request-id": `r${at}` } })
      yield* sendEvent(url, { contents: "hello" })
      yield* send(url, { path: "/ready" })
      const {
        backends,
        latency_ms,
        panels,
        queue,
        recent_errors,
        sparkline,
        throughput,
        time_to_first_token_ms,
        tokens,
        totals
      } = yield* summaryOf(url)
      assert.deepStrictEqual(totals, {
        ...{ requests: 4, succeeded: 2, client_errors: 1, server_errors: 1, left: 0 },
        // The summary itself.
        in_flight: 1
      })
      for (const times of [latency_ms, time_to_first_token_ms]) {
        for (const millis of Object.values(times)) assert.isAbove(millis ?? 0, 0)
      }
      assert.strictEqual(throughput.per_minute, 4)
      assert.isAbove(throughput.per_second, 0)
      assert.lengthOf(sparkline.requests, 24)
      assert.strictEqual(
        sparkline.requests.reduce((sum, count) => sum + count),
        4
      )
      assert.strictEqual(
        sparkline.errors.reduce((sum, count) => sum + count),
        2
      )
      assert.deepStrictEqual(
        { ...tokens, per_second: 0 },
        {
          ...{ input: 14, output: 10, delivered: 10, wasted: 0, per_second: 0 }
        }
      )
      assert.deepStrictEqual(queue, { waiting: 0, in_use: 0, limit: 64, slots: 1, expected_wait_seconds: 0 })
      assert.deepStrictEqual(backends, [
        { name: "koboldcpp", state: "up", breaker: "closed", health: "good", in_use: 0, slots: 1, queue: 0 }
      ])
      assert.deepStrictEqual(
        recent_errors.map(({ code, request_id, route, status }) => ({ code, request_id, route, status })).slice(1),
        [{ code: "api_authentication_error", request_id: "r2", route: "/event", status: 502 }]
      )
      assert.strictEqual(recent_errors[0]?.code, "missing_content_field")
      assert.deepStrictEqual(
        panels.map(({ id, state }) => `${id} ${state}`),
        ["service ok", "backends ok", "queue ok", "errors critical"]
      )
    })
  )

  it.live("counts a stream that broke off as the failure that it is, whatever it began with", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ pieces: streamOf("chat", "one two").slice(0, 1), after: "reset" }] })
      assert.strictEqual((yield* sendEvent(url, { content: "hello", stream: true })).status, 200)
      const { recent_errors, totals } = yield* summaryOf(url)
      assert.deepInclude(totals, { requests: 1, succeeded: 0, client_errors: 0, server_errors: 1 })
      assert.deepInclude(recent_errors[0], { code: "api_connection_error", status: 502 })
    })
  )

  it.live("counts a client that left, and the events of batches one by one", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true }, answer] })
      const asked = yield* Effect.forkScoped(Effect.scoped(sendEvent(url, { content: "hello" })), {
        startImmediately: true
      })
      yield* eventually(() => backend.calls.length === 1)
      asked.interruptUnsafe()
      const body = '{"content":"one"}\nnonsense\n{"content":"two"}\n'
      yield* send(url, { method: "POST", path: "/events", body, headers: { "content-type": "application/jsonl" } })
      const { recent_errors, totals } = yield* summaryOf(url)
      assert.deepStrictEqual(totals, {
        ...{ requests: 4, succeeded: 2, client_errors: 1, server_errors: 0, left: 1, in_flight: 1 }
      })
      assert.deepStrictEqual(
        recent_errors.map(({ code, route }) => `${route} ${code}`),
        ["/events invalid_request"]
      )
    })
  )

  it.live("counts the tokens that were for nobody", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true, generated: "for nobody" }] })
      backend.tell({ "/api/extra/tokencount": { body: { value: 2 } } })
      const asked = yield* Effect.forkScoped(sendEvent(url, { content: "hello" }), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      yield* Fiber.interrupt(asked)
      yield* Effect.repeat(summaryOf(url), { until: ({ tokens }) => tokens.wasted === 2 })
    })
  )

  it.live("is for those who may come in, in our own shape of errors and under their limit", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_AUTH_TOKEN: "secret", RATE_LIMIT_REQUESTS: "3" })
      assertFailure(yield* send(url, { path }), "unauthorised")
      assertFailure(yield* send(url, { path: "/api/metrics/stream", headers: { "x-api-key": "wrong" } }), "forbidden")
      const headers = { authorization: "Bearer secret" }
      const answer = yield* send(url, { path, headers })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["cache-control"], "no-store")
      assert.match(String(answer.headers["ratelimit"]), /r=0/)
      assertFailure(yield* send(url, { path: "/api/metrics/stream", headers }), "rate_limited")
    })
  )

  it.live("is one spelling, and takes no other method", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      assertFailure(yield* send(url, { path, method: "POST" }), "method_not_allowed")
      assertFailure(yield* send(url, { path: "/api/metrics/other" }), "not_found")
      for (const one of [path, "/api/metrics/stream"]) {
        assert.strictEqual((yield* send(url, { path: one, method: "HEAD" })).status, 200)
      }
    })
  )
})
