import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { makeAccessLog } from "../../src/http/AccessLog.ts"
import { Settings } from "../../src/services/Settings.ts"
import { capturedLog } from "../support/CapturedLog.ts"
import { type Incoming, jsonIn, send, sendEvent } from "../support/Http.ts"
import { closedPort } from "../support/RawBackend.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { startService } from "../support/Running.ts"
import { scriptedBackend, streamOf } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"

type Line = Readonly<Record<string, unknown>>

const parsed = (lines: ReadonlyArray<string>): ReadonlyArray<Line> => lines.map((line) => JSON.parse(line))

const accessLines = (lines: ReadonlyArray<string>) => parsed(lines).filter(({ message }) => message === "request")

/** The access line of one request, once it is written. */
const logged = (lines: ReadonlyArray<string>, count = 1) =>
  Effect.map(
    eventually(() => accessLines(lines).length >= count),
    () => accessLines(lines)[count - 1] ?? assert.fail("no line")
  )

const event = { content: "hi" }
const traceId = "0af7651916cd43dd8448eb211c80319c"
const traceparent = `00-${traceId}-b7ad6b7169203331-01`

describe.concurrent("the log", () => {
  it.live("is one JSON object a line, each with level, time and message", () =>
    Effect.gen(function* () {
      const { backend, lines, url } = yield* startService({ LOG_LEVEL: "TRACE" })
      yield* sendEvent(url, { content: "two\nlines" }, { headers: { "user-agent": "a" } })
      backend.script({ chat: [{ status: 500 }], completion: [{ reset: true }], generate: [{ raw: "x\ny" }] })
      yield* sendEvent(url, event)
      yield* logged(lines, 2)
      for (const line of lines) {
        assert.notInclude(line, "\n")
        const { level, message, time } = JSON.parse(line)
        assert.match(level, /^[A-Z]+$/)
        assert.strictEqual(new Date(time).toISOString(), time)
        assert.isString(message)
      }
    })
  )

  it.live("tells of a request who asked for what, and how it went", () =>
    Effect.gen(function* () {
      const { lines, url } = yield* startService()
      const answer = yield* sendEvent(url, event, { headers: { traceparent }, path: "/event?x=1" })
      const line = yield* logged(lines)
      const { backend_ms, duration_ms, queue_ms, time, ...rest } = line
      assert.isString(time)
      assert.deepStrictEqual(rest, {
        level: "INFO",
        message: "request",
        request_id: answer.headers["x-request-id"],
        trace_id: traceId,
        method: "POST",
        route: "/event",
        status: 200,
        backend: "koboldcpp",
        client: "127.0.0.1"
      })
      for (const millis of [backend_ms, duration_ms, queue_ms]) assert.isAtLeast(Number(millis), 0)
      assert.isAbove(Number(backend_ms), 0)
      assert.isAtLeast(Number(duration_ms), Number(backend_ms))
    })
  )

  it.live("tells how long a request waited, as its answer does", () =>
    Effect.gen(function* () {
      const { backend, lines, url } = yield* startService()
      backend.script({ chat: [{ hang: true }, {}] })
      const first = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      const second = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
      yield* Effect.repeat(send(url, { path: "/metrics" }), {
        until: ({ text }) => /^ai_ticket_queue_depth 1$/m.test(text)
      })
      backend.release()
      yield* Fiber.join(first)
      const { headers } = yield* Fiber.join(second)
      const line = () => accessLines(lines).find(({ request_id }) => request_id === headers["x-request-id"])
      yield* eventually(() => line() !== undefined)
      const { backend_ms, duration_ms, queue_ms } = line() ?? {}
      assert.isAbove(Number(queue_ms), 0)
      assert.strictEqual(
        headers["server-timing"],
        `queue;dur=${queue_ms}, backend;dur=${backend_ms}, total;dur=${duration_ms}`
      )
    })
  )

  const failures: Record<string, { readonly ask: (url: string) => Effect.Effect<Incoming>; readonly line: Line }> = {
    "a bad body": {
      ask: (url) => sendEvent(url, "nonsense"),
      line: {
        ...{ level: "INFO", status: 400, route: "/event", method: "POST", error: "invalid_request" },
        details: "the body is not JSON"
      }
    },
    "no route": {
      ask: (url) => send(url, { path: "/secret/path" }),
      line: { level: "INFO", status: 404, route: "other", method: "GET", error: "not_found", details: undefined }
    },
    "a method of its own": {
      ask: (url) => send(url, { path: "/event", method: "PROPFIND" }),
      line: { level: "INFO", status: 405, route: "/event", method: "other", error: "method_not_allowed" }
    },
    "a backend that fails": {
      ask: (url) => sendEvent(url, event),
      line: {
        ...{ level: "ERROR", status: 502, route: "/event", method: "POST", error: "api_authentication_error" },
        details: "koboldcpp, chat: it answered 401"
      }
    }
  }
  for (const [name, { ask, line }] of Object.entries(failures)) {
    it.live(`tells of ${name} its code, and the details that the answer has`, () =>
      Effect.gen(function* () {
        const { backend, lines, url } = yield* startService()
        backend.script({ chat: [{ status: 401 }] })
        const answer = yield* ask(url)
        const told: Line = { details: undefined, ...(yield* logged(lines)) }
        assert.deepInclude(told, { ...line, request_id: answer.headers["x-request-id"] })
        assert.strictEqual(told["details"] ?? null, jsonIn(answer)["details"])
      })
    )
  }

  const unread = [
    { status: 400, error: "invalid_request", bytes: "what is this\r\n\r\n" },
    { status: 408, error: "request_timeout", bytes: "POST /event HTTP/1.1\r\nHost: te" },
    {
      status: 431,
      error: "request_header_fields_too_large",
      bytes: `GET /health HTTP/1.1\r\nX: ${"x".repeat(17_000)}\r\n\r\n`
    }
  ]
  for (const { bytes, error, status } of unread) {
    it.live(`tells of what never became a request: ${status}`, () =>
      Effect.gen(function* () {
        const { lines, url } = yield* startService({ AI_TICKET_RECEIVE_TIMEOUT_SECONDS: "0.2" })
        const connection = yield* rawConnection(url)
        connection.write(bytes)
        const [answer] = yield* connection.receive(1)
        const { duration_ms, request_id, time, trace_id, ...rest } = yield* logged(lines)
        assert.isString(time)
        assert.isAtLeast(Number(duration_ms), 0)
        assert.match(String(trace_id), /^(?!0{32})[0-9a-f]{32}$/)
        assert.match(String(request_id), /^[A-Za-z0-9-]{8,64}$/)
        assert.strictEqual(answer?.headers["x-request-id"], request_id)
        assert.match(String(answer?.headers["server-timing"]), /^queue;dur=0, backend;dur=0, total;dur=\d/)
        const told = { level: "INFO", message: "request", client: "127.0.0.1" }
        assert.deepStrictEqual(rest, { ...told, method: "other", route: "other", status, error })
        yield* connection.closed
        assert.strictEqual(accessLines(lines).length, 1)
      })
    )
  }

  it.live("names the backend that answered, and none where several did, for the events of a batch", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* scriptedBackend, yield* scriptedBackend]
      const { lines, url } = yield* testService({ KOBOLDCPP_API_URL: `${one.url},${other.url}` })
      const backendOf = (at: number) => Effect.map(logged(lines, at), (line) => line["backend"])
      one.script({ chat: [{ status: 400 }, {}] })
      yield* sendEvent(url, event)
      assert.strictEqual(yield* backendOf(1), undefined)
      one.script({ chat: [{ raw: "rubbish" }], completion: [{ raw: "rubbish" }], generate: [{ raw: "rubbish" }] })
      yield* sendEvent(url, event)
      assert.strictEqual(yield* backendOf(2), "koboldcpp-2")
      yield* sendEvent(url, { ...event, stream: true })
      assert.strictEqual(yield* backendOf(3), "koboldcpp-2")
      one.script({ chat: [{ hang: true }] })
      other.script({ chat: [{ hang: true }] })
      const batch = yield* Effect.forkScoped(
        send(url, {
          ...{ method: "POST", path: "/events", body: '{"content":"a"}\n{"content":"b"}\n' },
          headers: { "content-type": "application/jsonl" }
        })
      )
      yield* eventually(() => one.answered() < one.calls.length && other.answered() < other.calls.length)
      one.release()
      other.release()
      yield* Fiber.join(batch)
      assert.deepInclude(yield* logged(lines, 4), { route: "/events", status: 200 })
      assert.strictEqual(yield* backendOf(4), undefined)
    })
  )

  it.live("tells of a stream that broke off as of the failure that it is, however few successes are told", () =>
    Effect.gen(function* () {
      const { backend, lines, url } = yield* startService({ AI_TICKET_ACCESS_LOG_PER_SECOND: "1" })
      yield* sendEvent(url, event)
      backend.script({ chat: [{ pieces: streamOf("chat", "one two").slice(0, 1), after: "reset" }] })
      yield* sendEvent(url, { ...event, stream: true })
      assert.deepInclude(yield* logged(lines, 2), {
        ...{ level: "ERROR", status: 200, backend: "koboldcpp", error: "api_connection_error" },
        details: "koboldcpp, chat: the connection closed before the whole answer had come"
      })
    })
  )

  it.live("tells of a client that left", () =>
    Effect.gen(function* () {
      const { backend, lines, url } = yield* startService()
      backend.script({ chat: [{ hang: true }] })
      const client = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      yield* Fiber.interrupt(client)
      assert.deepInclude(yield* logged(lines), { level: "INFO", status: 499, error: "client_closed_request" })
      assert.strictEqual(accessLines(lines).length, 1)
    })
  )
})

describe.concurrent("the level of a request's line", () => {
  it.effect.each([
    [200, "INFO"],
    [404, "INFO"],
    [499, "INFO"],
    [500, "ERROR"],
    [502, "ERROR"],
    [503, "WARNING"],
    [504, "ERROR"]
  ] as const)("for status %i is %s", ([status, level]) =>
    Effect.gen(function* () {
      const log = capturedLog()
      const accessLog = yield* Effect.provide(makeAccessLog, Settings.layerRecord({}))
      yield* Effect.provide(accessLog(status, { status }), log.layer)
      assert.deepInclude(log.entries()[0], { level, message: "request", status })
    })
  )

  it.effect("doesn't matter to how many are left out: the next success says it", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      const accessLog = yield* Effect.provide(
        makeAccessLog,
        Settings.layerRecord({ AI_TICKET_ACCESS_LOG_PER_SECOND: "1" })
      )
      yield* Effect.gen(function* () {
        for (const status of [200, 200, 404, 204]) yield* accessLog(status, { status })
        yield* TestClock.adjust("1 second")
        yield* accessLog(200, { status: 200 })
      }).pipe(Effect.provide(log.layer))
      assert.deepStrictEqual(
        log.entries().map(({ left_out, status }) => [status, left_out]),
        [
          [200, undefined],
          [404, undefined],
          [200, 2]
        ]
      )
    })
  )

  it.live("is WARNING where the service says no by design: not ready, overloaded", () =>
    Effect.gen(function* () {
      const { backend, lines, url } = yield* startService({ AI_TICKET_QUEUE_LIMIT: "0", LOG_LEVEL: "WARNING" })
      backend.script({ chat: [{ hang: true }] })
      yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      yield* sendEvent(url, event)
      assert.deepInclude(yield* logged(lines, 1), { level: "WARNING", status: 503, error: "overloaded" })
      const alone = yield* testService({ KOBOLDCPP_API_URL: yield* closedPort, LOG_LEVEL: "WARNING" })
      yield* send(alone.url, { path: "/ready" })
      assert.deepInclude(yield* logged(alone.lines, 1), { level: "WARNING", status: 503, route: "/ready" })
    })
  )
})

describe.concurrent("the trace id", () => {
  const bad = {
    "no traceparent": undefined,
    "a zero trace": `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    "a zero span": `00-${traceId}-${"0".repeat(16)}-01`,
    "capital letters": traceparent.toUpperCase(),
    "a short one": `00-${traceId.slice(1)}-b7ad6b7169203331-01`,
    "the forbidden version": `ff-${traceId}-b7ad6b7169203331-01`,
    "more behind version 00": `${traceparent}-extra`,
    garbage: "x"
  }
  for (const [name, value] of Object.entries(bad)) {
    it.live(`is a new one for ${name}`, () =>
      Effect.gen(function* () {
        const { lines, url } = yield* startService()
        const headers: Record<string, string> = value === undefined ? {} : { traceparent: value }
        yield* send(url, { headers })
        yield* send(url, { headers })
        const ids = [(yield* logged(lines, 1))["trace_id"], (yield* logged(lines, 2))["trace_id"]]
        for (const id of ids) assert.match(String(id), /^(?!0{32})[0-9a-f]{32}$/)
        assert.notStrictEqual(ids[0], ids[1])
        assert.notInclude(ids, traceId)
      })
    )
  }

  it.live("is the caller's in a later version of the header too", () =>
    Effect.gen(function* () {
      const { lines, url } = yield* startService()
      yield* send(url, { headers: { traceparent: `01-${traceId}-b7ad6b7169203331-01-what-comes-next` } })
      assert.strictEqual((yield* logged(lines))["trace_id"], traceId)
    })
  )
})
