import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type Incoming, type Outgoing, send, sendEvent, until } from "../support/Http.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { Running, running, startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const ours = /^[A-Za-z0-9-]{8,64}$/
const serverTiming = /^queue;dur=(\d+(?:\.\d+)?), backend;dur=(\d+(?:\.\d+)?), total;dur=(\d+(?:\.\d+)?)$/

const timingsOf = ({ headers }: Incoming) => {
  const [, queue, backend, total] = serverTiming.exec(String(headers["server-timing"])) ?? []
  return { queue: Number(queue), backend: Number(backend), total: Number(total) }
}

const token = { "x-api-key": "secret" }
const json = { "content-type": "application/json" }
const event = JSON.stringify({ content: "hi" })

const answers: Record<string, { readonly status: number; readonly ask: Outgoing }> = {
  "an event": { status: 200, ask: { method: "POST", path: "/event", headers: { ...token, ...json }, body: event } },
  health: { status: 200, ask: { path: "/health" } },
  readiness: { status: 200, ask: { path: "/ready" } },
  metrics: { status: 200, ask: { path: "/metrics" } },
  "a HEAD": { status: 200, ask: { method: "HEAD", path: "/health" } },
  "a bad body": { status: 400, ask: { method: "POST", path: "/event", headers: { ...token, ...json }, body: "x" } },
  "no token": { status: 401, ask: { path: "/event" } },
  "a wrong token": { status: 403, ask: { path: "/event", headers: { "x-api-key": "wrong" } } },
  "no route": { status: 404, ask: { path: "/nowhere", headers: token } },
  "another method": { status: 405, ask: { method: "PUT", path: "/event", headers: token } },
  "a large body": {
    status: 413,
    ask: { method: "POST", path: "/event", headers: { ...token, ...json }, body: "x".repeat(1001) }
  },
  "no prompt": {
    status: 422,
    ask: { method: "POST", path: "/event", headers: { ...token, ...json }, body: '{"content":1e999}' }
  }
}

const settings = { AI_TICKET_AUTH_TOKEN: "secret", AI_TICKET_MAX_BODY_BYTES: "1000" }

it.layer(running(settings), { excludeTestServices: true })(
  "every answer says who gave it, its id and its times",
  (it) => {
    for (const [name, { ask, status }] of Object.entries(answers)) {
      it.effect(`${name}: ${status}`, () =>
        Effect.gen(function* () {
          const { url } = yield* Running
          const answer = yield* send(url, ask)
          assert.strictEqual(answer.status, status)
          assert.strictEqual(answer.headers["x-request-processed-by"], "ai-ticket")
          assert.match(String(answer.headers["x-request-id"]), ours)
          assert.match(String(answer.headers["server-timing"]), serverTiming)
          const again = yield* send(url, { ...ask, headers: { ...ask.headers, "x-request-id": "ticket-4711" } })
          assert.strictEqual(again.headers["x-request-id"], "ticket-4711")
        })
      )
    }

    it.effect("an id is never given twice", () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const ids = yield* Effect.forEach(Array.from({ length: 20 }), () =>
          Effect.map(send(url), ({ headers }) => headers["x-request-id"])
        )
        assert.strictEqual(new Set(ids).size, 20)
      })
    )

    for (const id of ["a", "A-b_c.d:e/f=g@h+1", "x".repeat(128), "0af7651916cd43dd8448eb211c80319c"]) {
      it.effect(`the caller's id is kept: ${id.slice(0, 40)}`, () =>
        Effect.gen(function* () {
          const { url } = yield* Running
          const answer = yield* send(url, { headers: { "x-request-id": id } })
          assert.strictEqual(answer.headers["x-request-id"], id)
        })
      )
    }

    const insane = {
      "too long": "x".repeat(129),
      empty: "",
      "with a space": "a b",
      "with a tab": "a\tb",
      "with a control character": "a\u0007b",
      "in unicode": "größe",
      "in bytes above ASCII": "\u00ff\u00fe",
      "with a quote": 'a"b',
      "with a comma, as two ids": "one, two"
    }
    for (const [name, id] of Object.entries(insane)) {
      it.effect(`an insane id is replaced, not cleaned: ${name}`, () =>
        Effect.gen(function* () {
          const { url } = yield* Running
          const connection = yield* rawConnection(url)
          connection.write(Buffer.from(`GET /health HTTP/1.1\r\nHost: test\r\nX-Request-Id: ${id}\r\n\r\n`))
          const [answer] = yield* connection.receive(1)
          assert.isDefined(answer)
          assert.strictEqual(answer.headers["x-request-processed-by"], "ai-ticket")
          // A byte that no header may hold is refused before there is a request.
          assert.strictEqual(answer.status, name === "with a control character" ? 400 : 200)
          assert.match(String(answer.headers["x-request-id"]), ours)
          assert.notStrictEqual(answer.headers["x-request-id"], id)
        })
      )
    }
  }
)

it.layer(running({ RATE_LIMIT_REQUESTS: "1" }), { excludeTestServices: true })("a refusal for the rate", (it) => {
  it.effect("says who, id and times too", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      yield* sendEvent(url, event)
      const answer = yield* sendEvent(url, event, { headers: { "x-request-id": "ticket-4711" } })
      assert.strictEqual(answer.status, 429)
      assert.strictEqual(answer.headers["x-request-processed-by"], "ai-ticket")
      assert.strictEqual(answer.headers["x-request-id"], "ticket-4711")
      assert.match(String(answer.headers["server-timing"]), serverTiming)
    })
  )
})

it.live("Server-Timing tells the line from the backend", () =>
  Effect.gen(function* () {
    const { backend, url } = yield* startService()
    const waits = until(send(url, { path: "/ready" }), ({ text }) => text.includes('"waiting":1'))
    backend.script({ chat: [{ hang: true }] })
    const asked = performance.now()
    const one = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
    yield* eventually(() => backend.calls.length === 1)
    const reached = performance.now()
    const other = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
    yield* waits
    const waiting = performance.now()
    yield* Effect.repeat(waits, { times: 5 })
    const released = performance.now()
    backend.release()
    yield* eventually(() => backend.calls.length === 2)
    backend.release()
    const [first, second] = [yield* Fiber.join(one), yield* Fiber.join(other)].map(timingsOf)
    const answered = performance.now()
    assert.isDefined(first)
    assert.isDefined(second)
    // What each part lies between, by what was seen from outside; the header is rounded to microseconds.
    assert.isAtMost(first.queue, reached - asked + 0.01)
    assert.isAtLeast(first.backend, released - reached - 0.01)
    assert.isAtLeast(second.queue, released - waiting - 0.01)
    assert.isAtMost(second.backend, answered - released + 0.01)
    for (const { backend, queue, total } of [first, second]) assert.isAtLeast(total + 0.01, backend + queue)
  })
)
