import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ErrorCode } from "../../src/domain/ErrorCatalogue.ts"
import { assertAlive, assertFailure, jsonIn } from "../support/Http.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { startService } from "../support/Running.ts"

const setUp = Effect.gen(function* () {
  const { backend, url } = yield* startService({ AI_TICKET_SLOTS: "4" })
  return { backend, url, connection: yield* rawConnection(url) }
})

const request = (body: string, ...fields: ReadonlyArray<string>) =>
  [
    "POST /event HTTP/1.1",
    "Host: test",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...fields,
    "",
    body
  ].join("\r\n")

const event = (id: string) => JSON.stringify({ content: "hi", id })

describe("one connection", () => {
  it.live("answers pipelined requests in their order, the failed ones too", () =>
    Effect.gen(function* () {
      const { connection, url } = yield* setUp
      connection.write(
        request(event("one")) +
          request("nonsense") +
          "GET /health HTTP/1.1\r\nHost: test\r\n\r\n" +
          "GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n" +
          request(event("two"))
      )
      const answers = yield* connection.receive(5)
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [200, 400, 200, 404, 200]
      )
      assert.strictEqual(jsonIn(answers[0] ?? { text: "{}" })["id"], "one")
      assert.strictEqual(jsonIn(answers[4] ?? { text: "{}" })["id"], "two")
      assert.isFalse(connection.isClosed())
      yield* assertAlive(url)
    })
  )

  it.live("takes a request in single bytes", () =>
    Effect.gen(function* () {
      const { backend, connection } = yield* setUp
      for (const byte of Buffer.from(request(JSON.stringify({ content: "grüße" })))) {
        connection.write(Buffer.of(byte))
        yield* Effect.yieldNow
      }
      const [answer] = yield* connection.receive(1)
      assert.strictEqual(answer?.status, 200)
      assert.strictEqual(backend.calls[0]?.prompt, "grüße")
    })
  )

  it.live("says 100 Continue to a client that asks, and reads on", () =>
    Effect.gen(function* () {
      const { connection } = yield* setUp
      const whole = request(event("one"), "Expect: 100-continue")
      const headEnd = whole.indexOf("\r\n\r\n") + 4
      connection.write(whole.slice(0, headEnd))
      const [proceed] = yield* connection.receive(1)
      assert.strictEqual(proceed?.status, 100)
      connection.write(whole.slice(headEnd))
      const [, answer] = yield* connection.receive(2)
      assert.strictEqual(answer?.status, 200)
    })
  )

  it.live("needs no 100 Continue to turn a request down", () =>
    Effect.gen(function* () {
      const { connection } = yield* setUp
      connection.write("POST /nowhere HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
      const [answer] = yield* connection.receive(1)
      assert.isDefined(answer)
      assertFailure(answer, "not_found")
    })
  )

  it.live("answers in the contract's shape when something else than 100-continue is expected", () =>
    Effect.gen(function* () {
      const { connection } = yield* setUp
      connection.write(request(event("one"), "Expect: miracles"))
      const [answer] = yield* connection.receive(1)
      assert.isDefined(answer)
      assert.strictEqual(answer.headers["x-request-processed-by"], "ai-ticket")
      if (answer.status !== 200) assertFailure(answer, jsonIn(answer)["error"] as ErrorCode)
    })
  )

  it.live("closes after its answer when the client asks for it", () =>
    Effect.gen(function* () {
      const { connection } = yield* setUp
      connection.write(request(event("one"), "Connection: close"))
      const [answer] = yield* connection.receive(1)
      assert.strictEqual(answer?.status, 200)
      yield* connection.closed
    })
  )
})

describe("an offer to upgrade", () => {
  // curl --http2 and Java's HttpClient make this offer with every request.
  const h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"]

  it.live("is passed over", () =>
    Effect.gen(function* () {
      const { connection } = yield* setUp
      connection.write(request(event("one"), ...h2c))
      const [answer] = yield* connection.receive(1)
      assert.isDefined(answer)
      assert.deepStrictEqual([answer.status, jsonIn(answer)["id"]], [200, "one"])
    })
  )

  it.live("is passed over with a chunked body", () =>
    Effect.gen(function* () {
      const { connection } = yield* setUp
      const body = event("one")
      const head = ["POST /event HTTP/1.1", "Host: test", "Content-Type: application/json", ...h2c]
      connection.write(
        [...head, "Transfer-Encoding: chunked", "", body.length.toString(16), body, "0", "", ""].join("\r\n")
      )
      const [answer] = yield* connection.receive(1)
      assert.strictEqual(answer?.status, 200)
    })
  )

  it.live("is passed over with failures: they are the usual ones", () =>
    Effect.gen(function* () {
      const { connection, url } = yield* setUp
      connection.write(request("nonsense", ...h2c))
      const [answer] = yield* connection.receive(1)
      assert.isDefined(answer)
      assertFailure(answer, "invalid_request")
      const other = yield* rawConnection(url)
      const socket = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: eA=="
      ]
      other.write(["GET /nowhere HTTP/1.1", "Host: test", ...socket, "", ""].join("\r\n"))
      const [missing] = yield* other.receive(1)
      assert.isDefined(missing)
      assertFailure(missing, "not_found")
      yield* assertAlive(url)
    })
  )

  it.live("doesn't cost the connection, for whoever asks again on it", () =>
    Effect.gen(function* () {
      const { connection } = yield* setUp
      connection.write(request(event("one"), ...h2c))
      yield* connection.receive(1)
      connection.write(request(event("two")))
      const answers = yield* connection.receive(2)
      assert.deepStrictEqual(
        answers.map((answer) => jsonIn(answer)["id"]),
        ["one", "two"]
      )
    })
  )
})
