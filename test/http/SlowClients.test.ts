import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { assertAlive, assertFailure, send, until } from "../support/Http.ts"
import { parseMetrics } from "../support/Prometheus.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { startService } from "../support/Running.ts"

const setUp = (receiveSeconds: string) => startService({ AI_TICKET_RECEIVE_TIMEOUT_SECONDS: receiveSeconds })

const halves = {
  "the request line": "POST /ev",
  "the header": "POST /event HTTP/1.1\r\nHost: test\r\nContent-Ty",
  "the body":
    'POST /event HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"conte',
  "a chunk":
    "POST /event HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"
}

describe.concurrent("a client that doesn't send all of its request", () => {
  for (const [part, half] of Object.entries(halves)) {
    it.live(`stops in ${part}: 408 when the time is over, and the connection closes`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* setUp("0.3")
        const connection = yield* rawConnection(url)
        const start = performance.now()
        connection.write(half)
        const [answer] = yield* connection.receive(1)
        assert.isDefined(answer)
        assertFailure(answer, "request_timeout")
        assert.isAtLeast(performance.now() - start, 250)
        assert.strictEqual(answer.headers["connection"], "close")
        yield* connection.closed
        assert.strictEqual(connection.answers().length, 1)
        assert.strictEqual(backend.calls.length, 0)
        yield* assertAlive(url)
      })
    )
  }

  it.live("isn't saved by sending a byte now and then", () =>
    Effect.gen(function* () {
      const { url } = yield* setUp("0.3")
      const connection = yield* rawConnection(url)
      connection.write("POST /event HTTP/1.1\r\nHost: test\r\n")
      yield* Effect.race(
        connection.closed,
        Effect.repeat(
          Effect.sync(() => connection.write("X-Drip: 1\r\n")),
          Schedule.spaced("20 millis")
        )
      )
      const [answer] = connection.answers()
      assert.isDefined(answer)
      assertFailure(answer, "request_timeout")
    })
  )

  it.live("is counted once, as what it was told", () =>
    Effect.gen(function* () {
      const { url } = yield* setUp("0.2")
      const connection = yield* rawConnection(url)
      connection.write(halves["the body"])
      yield* connection.receive(1)
      yield* connection.closed
      const settled = yield* until(send(url, { path: "/metrics" }), ({ text }) =>
        // The scrape itself is the one in flight.
        parseMetrics(text).some(({ name, value }) => name === "ai_ticket_http_requests_in_flight" && value === 1)
      )
      const counted = parseMetrics(settled.text).filter(
        ({ labels, name }) => name === "ai_ticket_http_requests_total" && labels["endpoint"] !== "/metrics"
      )
      assert.deepStrictEqual(
        counted.map(({ labels, value }) => [labels["status"], value]),
        [["408", 1]]
      )
    })
  )

  it.live("may take its time to wait for a slow answer: only sending is timed", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* setUp("1")
      backend.script({ chat: [{ hang: true }] })
      const connection = yield* rawConnection(url)
      const body = JSON.stringify({ content: "take your time" })
      connection.write(
        `POST /event HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      )
      // One that began later and stopped is out of time by now.
      const stalled = yield* rawConnection(url)
      stalled.write(halves["the header"])
      yield* stalled.closed
      assert.strictEqual(connection.answers().length, 0)
      backend.release()
      const [answer] = yield* connection.receive(1)
      assert.strictEqual(answer?.status, 200)
    })
  )
})
