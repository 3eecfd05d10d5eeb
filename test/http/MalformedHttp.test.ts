import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ErrorCode } from "../../src/domain/ErrorCatalogue.ts"
import { assertAlive, assertFailure, send } from "../support/Http.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { Running, running, startService } from "../support/Running.ts"

interface Malformed {
  readonly name: string
  readonly bytes: string | Uint8Array
  readonly code: ErrorCode
}

const event = (...fields: ReadonlyArray<string>) =>
  ["POST /event HTTP/1.1", "Host: test", "Content-Type: application/json", ...fields, "", ""].join("\r\n")

const refused: ReadonlyArray<Malformed> = [
  { name: "garbage", bytes: "what is this\r\n\r\n", code: "invalid_request" },
  { name: "bytes of no text", bytes: Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0xff]), code: "invalid_request" },
  { name: "a method that isn't one", bytes: "G@T /health HTTP/1.1\r\nHost: test\r\n\r\n", code: "invalid_request" },
  { name: "a version that isn't one", bytes: "GET /health HTTP/9.9\r\nHost: test\r\n\r\n", code: "invalid_request" },
  { name: "a field without a colon", bytes: "GET /health HTTP/1.1\r\nHost test\r\n\r\n", code: "invalid_request" },
  { name: "a NUL in a field", bytes: "GET /health HTTP/1.1\r\nHost: te\0st\r\n\r\n", code: "invalid_request" },
  { name: "a tunnel to another host", bytes: "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", code: "not_found" },
  { name: "two lengths", bytes: event("Content-Length: 2", "Content-Length: 3"), code: "invalid_request" },
  { name: "a negative length", bytes: event("Content-Length: -1"), code: "invalid_request" },
  {
    name: "a length and chunks",
    bytes: event("Content-Length: 2", "Transfer-Encoding: chunked"),
    code: "invalid_request"
  },
  {
    name: "a chunk size that isn't one",
    bytes: `${event("Transfer-Encoding: chunked")}zz\r\n`,
    code: "invalid_request"
  },
  {
    name: "17 KB of header in one field",
    bytes: event(`X-Flood: ${"x".repeat(17 * 1024)}`),
    code: "request_header_fields_too_large"
  },
  {
    name: "17 KB of header in many fields",
    bytes: event(...Array.from({ length: 1024 }, (_, at) => `X-${at}: ${"x".repeat(10)}`)),
    code: "request_header_fields_too_large"
  },
  {
    name: "a path of 17 KB",
    bytes: `GET /${"x".repeat(17 * 1024)} HTTP/1.1\r\nHost: test\r\n\r\n`,
    code: "request_header_fields_too_large"
  }
]

it.layer(running(), { excludeTestServices: true })("what isn't HTTP", (it) => {
  for (const { bytes, code, name } of refused) {
    it.effect(`${name}: ${code}, and the connection closes`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const before = backend.calls.length
        const connection = yield* rawConnection(url)
        connection.write(bytes)
        const [answer] = yield* connection.receive(1)
        assert.isDefined(answer)
        assertFailure(answer, code)
        assert.strictEqual(answer.headers["connection"], "close")
        yield* connection.closed
        assert.strictEqual(connection.answers().length, 1)
        assert.strictEqual(backend.calls.length, before)
        yield* assertAlive(url)
      })
    )
  }

  it.effect("is counted, under no name of its own", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const connection = yield* rawConnection(url)
      connection.write("canary /canary\r\n\r\n")
      yield* connection.receive(1)
      const { text } = yield* send(url, { path: "/metrics" })
      const labels = { method: "other", endpoint: "other", status: "400" }
      assert.strictEqual(sampleValue(parseMetrics(text), "ai_ticket_http_requests_total", labels), 1)
      assert.notInclude(text, "canary")
    })
  )

  it.effect("cuts off nobody else on another connection", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true }] })
      const waiting = yield* rawConnection(url)
      waiting.write(`${event("Content-Length: 16")}{"content":"hi"}`)
      const garbage = yield* rawConnection(url)
      garbage.write("garbage\r\n\r\n")
      yield* garbage.closed
      backend.release()
      const [answer] = yield* waiting.receive(1)
      assert.strictEqual(answer?.status, 200)
    })
  )

  it.effect("after a good request on the same connection leaves that one its answer", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      const connection = yield* rawConnection(url)
      connection.write("GET /health HTTP/1.1\r\nHost: test\r\n\r\ngarbage\r\n\r\n")
      const [good] = yield* connection.receive(1)
      assert.strictEqual(good?.status, 200)
      yield* connection.closed
      yield* assertAlive(url)
    })
  )
})

it.layer(running(), { excludeTestServices: true })("what is HTTP after all", (it) => {
  const accepted = {
    "no Host": "GET /health HTTP/1.1\r\n\r\n",
    "HTTP/1.0": "GET /health HTTP/1.0\r\n\r\n",
    "an empty line before the request": "\r\nGET /health HTTP/1.1\r\nHost: test\r\n\r\n",
    "a whole URL as its target": "GET http://test/health HTTP/1.1\r\nHost: test\r\n\r\n",
    "15 KB of header": `GET /health HTTP/1.1\r\nHost: test\r\nX-Much: ${"x".repeat(15 * 1024)}\r\n\r\n`
  }
  for (const [name, bytes] of Object.entries(accepted)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const connection = yield* rawConnection(url)
        connection.write(bytes)
        const [answer] = yield* connection.receive(1)
        assert.strictEqual(answer?.status, 200)
      })
    )
  }
})
