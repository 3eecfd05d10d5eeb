import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertAlive, assertFailure, jsonIn } from "../support/Http.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { event, request, setUpWith } from "../support/RawEvent.ts"

const setUp = setUpWith({})

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
