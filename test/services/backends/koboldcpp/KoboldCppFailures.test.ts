import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { koboldCppAt } from "../../../support/KoboldCppHarness.ts"
import { closedPort, rawBackend } from "../../../support/RawBackend.ts"
import { type Step, scriptedBackend } from "../../../support/ScriptedBackend.ts"

const failureOf = Effect.fnUntraced(function* (step: Step) {
  const backend = yield* scriptedBackend
  backend.script({ chat: [step] })
  const error = yield* Effect.flip((yield* koboldCppAt(backend.url)).attempt("chat"))
  assert.deepStrictEqual([backend.calls.length, backend.aborts.length], [1, 0])
  return error
})

const rawFailure = Effect.fnUntraced(function* (answer: string) {
  const { url } = yield* rawBackend(answer)
  return yield* Effect.flip((yield* koboldCppAt(url)).attempt("chat"))
})

describe("a failing KoboldCpp", () => {
  const statuses = [
    [401, "api_authentication_error", "give up"],
    [403, "api_authentication_error", "give up"],
    [400, "api_client_error", "give up"],
    [404, "api_client_error", "absent"],
    [405, "api_client_error", "absent"],
    [501, "api_client_error", "absent"],
    [429, "api_rate_limited", "retry"],
    [500, "api_server_error", "retry"],
    [503, "api_server_error", "retry"]
  ] as const
  for (const [status, code, remedy] of statuses) {
    it.live(`answers ${status}: ${code}, ${remedy}`, () =>
      Effect.gen(function* () {
        const error = yield* failureOf({ status, body: { detail: { msg: "no" } } })
        assert.deepInclude(error, { code, remedy, reason: `it answered ${status}` })
        assert.notProperty(error, "retryAfterMillis")
      })
    )
  }

  it.live("is not followed to where it redirects", () =>
    Effect.gen(function* () {
      const elsewhere = yield* scriptedBackend
      for (const status of [301, 302, 307, 308]) {
        const error = yield* failureOf({ status, headers: { location: `${elsewhere.url}/v1/chat/completions` } })
        assert.deepInclude(error, { code: "api_client_error", remedy: "give up" })
      }
      assert.strictEqual(elsewhere.calls.length, 0)
    })
  )

  it.live("says how long to wait in seconds", () =>
    Effect.gen(function* () {
      const error = yield* failureOf({ status: 503, headers: { "retry-after": "7" } })
      assert.strictEqual(error.retryAfterMillis, 7000)
    })
  )

  it.effect("says how long to wait with a date", () =>
    Effect.gen(function* () {
      const at = DateTime.toDateUtc(DateTime.addDuration(yield* DateTime.now, "90 seconds"))
      const error = yield* failureOf({ status: 429, headers: { "retry-after": at.toUTCString() } })
      assert.deepInclude(error, { code: "api_rate_limited", retryAfterMillis: 90_000 })
    })
  )

  it.live("says nothing about waiting that can be understood", () =>
    Effect.gen(function* () {
      assert.notProperty(yield* failureOf({ status: 429, headers: { "retry-after": "soon" } }), "retryAfterMillis")
    })
  )

  it.live("closes the connection without an answer, or before its end", () =>
    Effect.gen(function* () {
      for (const step of [{ reset: true }, { truncate: true }]) {
        assert.deepInclude(yield* failureOf(step), { code: "api_connection_error", remedy: "retry" })
      }
      assert.deepInclude(yield* rawFailure("HTTP/1.1 200 OK\r\ncontent-"), { code: "api_connection_error" })
      assert.deepInclude(yield* rawFailure(""), { code: "api_connection_error", remedy: "retry" })
      assert.deepInclude(yield* rawFailure("SSH-2.0-OpenSSH\r\n"), { code: "api_connection_error" })
    })
  )

  it.live("answers with a change of protocol that nobody asked for, or with a hint of an answer alone", () =>
    Effect.gen(function* () {
      const switching = "HTTP/1.1 101 Switching Protocols\r\n"
      const upgrade = `${switching}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
      for (const answer of [upgrade, `${switching}\r\n`, "HTTP/1.1 103 Early Hints\r\n\r\n"]) {
        assert.deepInclude(yield* rawFailure(answer), { code: "api_connection_error", remedy: "retry" })
      }
    })
  )

  it.live("ends its error bodies with the connection, telling no length", () =>
    Effect.gen(function* () {
      const busy = 'HTTP/1.0 503 Busy\r\nContent-Type: application/json\r\n\r\n{"detail":{"msg":"Server is busy"}}'
      assert.deepInclude(yield* rawFailure(busy), { code: "api_server_error", reason: "it answered 503" })
      const unknown = "HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n"
      assert.deepInclude(yield* rawFailure(unknown), { code: "api_client_error", remedy: "absent" })
    })
  )

  it.live("answers 200 and tells of an error in it", () =>
    Effect.gen(function* () {
      const backend = yield* scriptedBackend
      const choice = { message: { content: "half a" }, text: "half a", finish_reason: "error" }
      const body = { choices: [choice], results: [choice] }
      backend.script({ chat: [{ body }], completion: [{ body }], generate: [{ body }] })
      const { attempt } = yield* koboldCppAt(backend.url)
      for (const name of ["chat", "completion", "generate"] as const) {
        const error = yield* Effect.flip(attempt(name))
        assert.deepInclude(error, { code: "api_server_error", remedy: "retry" })
      }
    })
  )

  it.live("isn't there", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* koboldCppAt(yield* closedPort)).attempt("chat"))
      assert.deepInclude(error, { code: "api_connection_error", remedy: "retry", reason: "connection refused" })
    })
  )
})

describe("the status of KoboldCpp", () => {
  it.live("is reachable, with its queue where it tells one", () =>
    Effect.gen(function* () {
      const backend = yield* scriptedBackend
      assert.deepStrictEqual(yield* (yield* koboldCppAt(backend.url)).backend.status, { reachable: true, queue: 0 })
      const { url } = yield* rawBackend("HTTP/1.0 404 Not Found\r\n\r\nnothing here")
      assert.deepStrictEqual(yield* (yield* koboldCppAt(url)).backend.status, { reachable: true })
    })
  )

  it.live("is unreachable when whoever answers says so, as a proxy before a dead one does", () =>
    Effect.gen(function* () {
      for (const status of ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"]) {
        const { url } = yield* rawBackend(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`)
        assert.deepStrictEqual(yield* (yield* koboldCppAt(url)).backend.status, { reachable: false }, status)
      }
    })
  )

  it.live("is unreachable when nobody listens", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* (yield* koboldCppAt(yield* closedPort)).backend.status, { reachable: false })
    })
  )
})
