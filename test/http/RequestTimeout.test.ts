import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assertFailure, jsonIn, send, sendEvent, until } from "../support/Http.ts"
import { movableClock } from "../support/MovableClock.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { Running, running, startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const event = { content: "hi" }

describe("X-Request-Timeout", () => {
  it.live("is the request's whole budget", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true }] })
      const start = performance.now()
      const answer = yield* sendEvent(url, event, { headers: { "x-request-timeout": "0.2" } })
      const took = performance.now() - start
      assertFailure(answer, "deadline_exceeded")
      assert.include(String(jsonIn(answer)["message"]), "0.2 seconds")
      assert.isAtLeast(took, 190)
    })
  )

  it.live("covers the retries: it ends while the backend is still failing", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      const failing = [{ status: 503, headers: { "retry-after": "0" } }, { hang: true }]
      backend.script({ chat: failing, completion: failing, generate: failing })
      assertFailure(yield* sendEvent(url, event, { headers: { "x-request-timeout": "0.4" } }), "deadline_exceeded")
    })
  )

  it.live("covers the time in line, and leaves the slot to the one who has it", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true }] })
      const first = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      const answer = yield* sendEvent(url, event, { headers: { "x-request-timeout": "0.2" } })
      assertFailure(answer, "deadline_exceeded")
      assert.strictEqual(backend.calls.length, 1)
      backend.release()
      assert.strictEqual((yield* Fiber.join(first)).status, 200)
    })
  )

  it.live("counts from when the request began: a body that comes too late is told so at once", () =>
    Effect.gen(function* () {
      const { pass, seen } = yield* movableClock
      const { backend, url } = yield* seen(startService())
      const connection = yield* rawConnection(url)
      const fields = ["Host: test", "Content-Type: application/json", "Content-Length: 16", "X-Request-Timeout: 0.3"]
      connection.write(["POST /event HTTP/1.1", ...fields, "", '{"con'].join("\r\n"))
      const inFlight = ({ text }: { readonly text: string }) =>
        sampleValue(parseMetrics(text), "ai_ticket_http_requests_in_flight")
      // The scrape is the other one.
      yield* until(send(url, { path: "/metrics" }), (page) => inFlight(page) === 2)
      pass(300)
      connection.write('tent":"hi"}')
      const [answer] = yield* connection.receive(1)
      assert.isDefined(answer)
      assertFailure(answer, "deadline_exceeded")
      assert.include(String(jsonIn(answer)["message"]), "0.3 seconds")
      assert.strictEqual(backend.calls.length, 0)
      assert.strictEqual((yield* sendEvent(url, event)).status, 200)
    })
  )

  it.live("is never above the setting", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_REQUEST_TIMEOUT_SECONDS: "0.2" })
      backend.script({ chat: [{ hang: true }] })
      const answer = yield* sendEvent(url, event, { headers: { "x-request-timeout": "3600" } })
      assertFailure(answer, "deadline_exceeded")
      assert.include(String(jsonIn(answer)["message"]), "0.2 seconds")
    })
  )

  it.live("leaves the next request the setting's budget", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true }, {}] })
      yield* sendEvent(url, event, { headers: { "x-request-timeout": "0.1" } })
      assert.strictEqual((yield* sendEvent(url, event)).status, 200)
    })
  )
})

it.layer(running(), { excludeTestServices: true })("an X-Request-Timeout", (it) => {
  for (const value of ["30", "0.5", " 30 ", "999999999", "1.000001"]) {
    it.effect(`of "${value}" is one`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        assert.strictEqual((yield* sendEvent(url, event, { headers: { "x-request-timeout": value } })).status, 200)
      })
    )
  }

  for (const value of [
    "",
    "0",
    "0.0",
    "-1",
    "soon",
    "1e3",
    "Infinity",
    "NaN",
    "0x10",
    "1,5",
    "30s",
    "1 2",
    "9".repeat(400)
  ]) {
    it.effect(`of "${value.slice(0, 20)}" is told what it must be`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const before = backend.calls.length
        const answer = yield* sendEvent(url, event, { headers: { "x-request-timeout": value } })
        assertFailure(answer, "invalid_parameter")
        assert.include(String(jsonIn(answer)["message"]), "X-Request-Timeout")
        assert.strictEqual(backend.calls.length, before)
      })
    )
  }
})
