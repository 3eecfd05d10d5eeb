import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertAlive, assertFailure, jsonIn } from "../support/Http.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { event, request, setUpWith } from "../support/RawEvent.ts"
import { eventually } from "../support/TestService.ts"

const setUp = setUpWith({})

/** Returns when what was half-sent before this is overdue, since something half-sent now is. */
const untilOverdue = Effect.fnUntraced(function* (url: string) {
  const stalled = yield* rawConnection(url)
  stalled.write("GET /health HTT")
  yield* stalled.closed
})

/** What would have ended the process. */
const uncaught = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const errors: Array<unknown> = []
      const note = (error: unknown) => void errors.push(error)
      process.on("uncaughtException", note)
      return { errors, note }
    }),
    ({ note }) => Effect.sync(() => process.off("uncaughtException", note))
  ),
  ({ errors }) => errors
)

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

  const behind: Readonly<Record<string, string>> = {
    garbage: "what is this\r\n\r\n",
    "half a request line": "POST /ev",
    "half a header": "POST /event HTTP/1.1\r\nHost: te"
  }
  for (const [name, bytes] of Object.entries(behind)) {
    it.live(`gets its answer whole with ${name} behind the request, and then closes without another`, () =>
      Effect.gen(function* () {
        const { backend, connection, url } = yield* setUpWith({ AI_TICKET_RECEIVE_TIMEOUT_SECONDS: "0.5" })
        backend.script({ chat: [{ hang: true }] })
        connection.write(request(event("one")))
        yield* eventually(() => backend.calls.length === 1)
        connection.write(bytes)
        yield* untilOverdue(url)
        assert.deepStrictEqual([connection.answers().length, connection.isClosed()], [0, false])
        backend.release()
        yield* connection.closed
        assert.deepStrictEqual(
          connection.answers().map((answer) => [answer.status, jsonIn(answer)["id"]]),
          [[200, "one"]]
        )
        backend.script({})
        yield* assertAlive(url)
      })
    )
  }

  const unfinished: Readonly<Record<string, string>> = {
    "an event": "POST /event HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    "a batch": 'POST /events HTTP/1.1\r\nContent-Type: application/jsonl\r\nContent-Length: 50\r\n\r\n{"content":1}\n{',
    "a native request": "POST /api/v1/generate HTTP/1.1\r\nContent-Length: 50\r\n\r\n{",
    "a question": "POST /api/extra/abort HTTP/1.1\r\nContent-Length: 50\r\n\r\n{"
  }
  for (const [name, bytes] of Object.entries(unfinished)) {
    it.live(`may break off with one request in hand, and ${name} behind it on its way`, () =>
      Effect.gen(function* () {
        const { backend, connection, url } = yield* setUp
        const crashes = yield* uncaught
        backend.script({ chat: [{ hang: true }, {}] })
        connection.write(request(event("one")) + bytes)
        yield* eventually(() => backend.calls.length > 0)
        yield* assertAlive(url)
        connection.reset()
        yield* eventually(() => backend.calls[0]?.closedEarlyAt !== undefined)
        backend.script({})
        yield* assertAlive(url)
        assert.deepStrictEqual(crashes, [])
      })
    )
  }

  it.live("may break off while it is told that nobody is connected with others here", () =>
    Effect.gen(function* () {
      const { url } = yield* setUp
      const crashes = yield* uncaught
      const broken = Effect.gen(function* () {
        const connection = yield* rawConnection(url)
        connection.write("GET /health HTTP/1.1\r\n\r\n")
        yield* connection.receive(1)
        connection.write("CONNECT other:1 HTTP/1.1\r\nHost: other\r\n\r\n")
        connection.reset()
      })
      yield* Effect.replicateEffect(Effect.scoped(broken), 20)
      yield* Effect.replicateEffect(assertAlive(url), 5)
      assert.deepStrictEqual(crashes, [])
    })
  )

  it.live("is left when it ends in the middle of a request, and the one in hand is aborted", () =>
    Effect.gen(function* () {
      const { backend, connection } = yield* setUp
      backend.script({ chat: [{ hang: true }] })
      connection.write(`${request(event("one"))}POST /ev`)
      yield* eventually(() => backend.calls.length === 1)
      connection.end()
      yield* eventually(() => backend.calls[0]?.closedEarlyAt !== undefined && backend.aborts.length === 1)
      yield* connection.closed
      assert.deepStrictEqual(connection.answers(), [])
    })
  )

  it.live("answers all that came whole before garbage, in their order", () =>
    Effect.gen(function* () {
      const { backend, connection } = yield* setUp
      backend.script({ chat: [{ hang: true }] })
      connection.write(request(event("one")) + request(event("two")) + behind["garbage"])
      yield* eventually(() => backend.calls.length === 2)
      backend.release()
      yield* connection.closed
      assert.deepStrictEqual(
        connection.answers().map((answer) => [answer.status, jsonIn(answer)["id"]]),
        [
          [200, "one"],
          [200, "two"]
        ]
      )
    })
  )

  it.live("answers a request whose body breaks after the one before it", () =>
    Effect.gen(function* () {
      const { backend, connection } = yield* setUp
      backend.script({ chat: [{ hang: true }] })
      const broken = [
        "POST /event HTTP/1.1",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        "",
        "zz\r\n"
      ]
      connection.write(request(event("one")) + broken.join("\r\n"))
      yield* eventually(() => backend.calls.length === 1)
      backend.release()
      yield* connection.closed
      const [first, second, ...more] = connection.answers()
      assert.strictEqual(first?.status, 200)
      assert.isDefined(second)
      assertFailure(second, "invalid_request")
      assert.deepStrictEqual(more, [])
    })
  )

  for (const path of ["/nowhere", "/health"]) {
    it.live(`answers POST ${path} without its body once, and closes when that is overdue`, () =>
      Effect.gen(function* () {
        const { connection } = yield* setUpWith({ AI_TICKET_RECEIVE_TIMEOUT_SECONDS: "0.5" })
        connection.write(`POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n`)
        yield* connection.closed
        const [answer, ...more] = connection.answers()
        assert.isDefined(answer)
        assertFailure(answer, path === "/nowhere" ? "not_found" : "method_not_allowed")
        assert.deepStrictEqual(more, [])
      })
    )
  }

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

  it.live("passes over an expectation of anything else", () =>
    Effect.gen(function* () {
      const { connection } = yield* setUp
      connection.write(request(event("one"), "Expect: miracles"))
      const [answer, ...more] = yield* connection.receive(1)
      assert.isDefined(answer)
      assert.deepStrictEqual([answer.status, jsonIn(answer)["id"], more.length], [200, "one", 0])
      assert.strictEqual(answer.headers["x-request-processed-by"], "ai-ticket")
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
