import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertAlive, assertFailure, sendEvent, until } from "../support/Http.ts"
import { type RawConnection, rawConnection } from "../support/RawConnection.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const limit = 2048

const setUp = startService({ AI_TICKET_MAX_BODY_BYTES: String(limit) })

/** An event of exactly so many bytes. */
const eventOf = (bytes: number): string => {
  const frame = JSON.stringify({ content: "" })
  return JSON.stringify({ content: "x".repeat(bytes - frame.length) })
}

const head = (...fields: ReadonlyArray<string>) =>
  ["POST /event HTTP/1.1", "Host: test", "Content-Type: application/json", ...fields, "", ""].join("\r\n")

const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

describe("the limit of a body", () => {
  for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
    const how = "transfer-encoding" in headers ? "chunked" : "with a content length"

    it.live(`${how}: a body at the limit passes, one byte more doesn't`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* setUp
        assert.strictEqual((yield* sendEvent(url, eventOf(limit), { headers })).status, 200)
        const refused = yield* sendEvent(url, eventOf(limit + 1), { headers })
        assertFailure(refused, "payload_too_large")
        assert.include(refused.text, String(limit))
        assert.strictEqual(backend.calls.length, 1)
        yield* assertAlive(url)
      })
    )
  }

  it.live("counts bytes, not characters", () =>
    Effect.gen(function* () {
      const { url } = yield* setUp
      assertFailure(yield* sendEvent(url, { content: "é".repeat(limit / 2) }), "payload_too_large")
      assert.strictEqual((yield* sendEvent(url, { content: "é".repeat(limit / 2 - 10) })).status, 200)
    })
  )

  it.live("answers as soon as the announced length is over it, and closes the connection", () =>
    Effect.gen(function* () {
      const { url } = yield* setUp
      const connection = yield* rawConnection(url)
      connection.write(`${head(`Content-Length: ${limit + 1}`)}{`)
      const [answer] = yield* connection.receive(1)
      assert.isDefined(answer)
      assertFailure(answer, "payload_too_large")
      assert.strictEqual(answer.headers["connection"], "close")
      yield* connection.closed
      yield* assertAlive(url)
    })
  )

  it.live("answers a chunked body as soon as it is over it, and reads no request out of what follows", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* setUp
      const connection = yield* rawConnection(url)
      const smuggled = `${head("Content-Length: 16")}{"content":"no"}`
      connection.write(head("Transfer-Encoding: chunked") + chunk("x".repeat(limit + 1)) + chunk(smuggled))
      const [answer] = yield* connection.receive(1)
      assert.isDefined(answer)
      assertFailure(answer, "payload_too_large")
      yield* connection.closed
      assert.strictEqual(connection.answers().length, 1)
      assert.strictEqual(backend.calls.length, 0)
      yield* assertAlive(url)
    })
  )

  it.live("is told to clients that are still sending megabytes", () =>
    Effect.gen(function* () {
      const { url } = yield* setUp
      const large = Buffer.alloc(4 * 1024 * 1024, "x")
      const answers = yield* Effect.all(
        Array.from({ length: 20 }, () => sendEvent(url, large)),
        { concurrency: 4 }
      )
      for (const answer of answers) assertFailure(answer, "payload_too_large")
      yield* assertAlive(url)
    })
  )

  it.live("leaves the connection open after a refusal that isn't about size", () =>
    Effect.gen(function* () {
      const { url } = yield* setUp
      const connection = yield* rawConnection(url)
      connection.write(`${head("Content-Length: 2")}[]${head("Content-Length: 16")}{"content":"hi"}`)
      const [refused, answered] = yield* connection.receive(2)
      assert.isDefined(refused)
      assertFailure(refused, "invalid_input_format")
      assert.strictEqual(answered?.status, 200)
      assert.isFalse(connection.isClosed())
    })
  )

  it.live("stops a client that waits for 100 Continue before it sends anything", () =>
    Effect.gen(function* () {
      const { url } = yield* setUp
      const connection = yield* rawConnection(url)
      connection.write(head("Expect: 100-continue", `Content-Length: ${limit + 1}`))
      const [answer] = yield* connection.receive(1)
      assert.isDefined(answer)
      assertFailure(answer, "payload_too_large")
    })
  )
})

describe("the limit of all bodies that are being received", () => {
  const small = 1000
  const held = JSON.stringify({ content: "x".repeat(small - 14) })

  /** So many clients that have sent all of a largest body but its last byte. */
  const halfSent = (url: string, count: number) =>
    Effect.forEach(Array.from({ length: count }), () =>
      Effect.map(rawConnection(url), (connection) => {
        connection.write(head(`Content-Length: ${small}`) + held.slice(0, -1))
        return connection
      })
    )

  const answered = (connections: ReadonlyArray<RawConnection>) =>
    connections.flatMap((connection) => connection.answers())

  it.live("is that of 64 of the largest: what is over it is told overloaded, and the rest go on", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_MAX_BODY_BYTES: String(small), AI_TICKET_SLOTS: "8" })
      const connections = yield* halfSent(url, 70)
      yield* eventually(() => answered(connections).length >= 6)
      const refused = answered(connections)
      assert.strictEqual(refused.length, 6)
      for (const answer of refused) {
        assertFailure(answer, "overloaded")
        assert.strictEqual(answer.headers["retry-after"], "1")
      }
      // Small as it is, another one is too much.
      assertFailure(yield* sendEvent(url, eventOf(100)), "overloaded")
      assert.strictEqual(backend.calls.length, 0)
      const waiting = connections.filter((connection) => connection.answers().length === 0)
      for (const connection of waiting) connection.write(held.slice(-1))
      yield* eventually(() => answered(waiting).length === 64)
      for (const answer of answered(waiting)) assert.strictEqual(answer.status, 200)
      yield* assertAlive(url)
    })
  )

  it.live("has room again when those who were sending leave", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_MAX_BODY_BYTES: String(small) })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connections = yield* halfSent(url, 65)
          yield* eventually(() => answered(connections).length === 1)
          assertFailure(yield* sendEvent(url, eventOf(100)), "overloaded")
        })
      )
      yield* until(sendEvent(url, eventOf(100)), ({ status }) => status === 200)
      assert.strictEqual((yield* sendEvent(url, held)).status, 200)
    })
  )
})
