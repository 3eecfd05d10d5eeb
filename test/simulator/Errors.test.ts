import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { abort, exchange, generate, get, inLine, post, running, send, slow, withSimulator } from "./RawHttp.ts"

const fast = { tokensPerSecond: 0 } as const
const badInput = '{"detail":{"msg":"Error parsing input.","type":"bad_input"}}'
const silence = { bytes: "", ended: "end" }

describe("what can't be read", () => {
  it.live("is a 500 whose end is the end of the connection", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        for (const body of ["{not json", "", '{"prompt": "cut']) {
          const answer = yield* post(simulator, "/api/v1/generate", body)
          assert.strictEqual(answer.status, 500)
          assert.strictEqual(answer.body, badInput)
          assert.isFalse(answer.headers.has("content-length"))
          assert.isFalse(answer.headers.has("transfer-encoding"))
        }
      })
    )
  )

  it.live("is a dropped connection when it isn't an object, or a message is no message", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        const calls: ReadonlyArray<readonly [string, unknown]> = [
          ["/api/v1/generate", "[1]"],
          ["/api/v1/generate", "null"],
          ["/api/v1/generate", { prompt: "x", rep_pen: null }],
          ["/v1/chat/completions", { messages: [{ role: "user" }] }],
          ["/v1/chat/completions", { messages: [{ content: "x" }] }],
          ["/v1/chat/completions", { messages: "x" }]
        ]
        for (const [path, body] of calls) {
          const { bytes, ended } = yield* post(simulator, path, body)
          assert.deepStrictEqual({ bytes, ended }, silence, JSON.stringify(body))
        }
      })
    )
  )

  it.live("is a 200 with null when the prompt or the key is no text", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        const calls: ReadonlyArray<readonly [string, unknown]> = [
          ["/api/v1/generate", { prompt: 5 }],
          ["/api/v1/generate", { prompt: null }],
          ["/api/v1/generate", '{"prompt": "\\ud800"}'],
          ["/api/v1/generate", { prompt: "x", genkey: 5 }],
          ["/v1/completions", { prompt: ["a", "b"] }],
          ["/v1/chat/completions", { messages: [{ role: "user", content: "x" }], genkey: null }]
        ]
        for (const [path, body] of calls) {
          const answer = yield* post(simulator, path, body)
          assert.deepStrictEqual([answer.status, answer.body], [200, "null"], JSON.stringify(body))
          assert.strictEqual(answer.headers.get("content-length"), "4")
        }
        const { generations } = yield* simulator.ledger
        assert.isTrue(generations.every(({ outcome, reason }) => outcome === "refused" && reason === "null"))
      })
    )
  )

  it.live.each([
    ["1.76", "null"],
    ["1.104", '{"results"']
  ] as const)("is a temperature in words for %s: %s", ([dialect, start]) =>
    withSimulator({ ...fast, dialect }, (simulator) =>
      Effect.gen(function* () {
        const answer = yield* generate(simulator, { temperature: "hot" })
        assert.strictEqual(answer.status, 200)
        assert.isTrue(answer.body.startsWith(start))
      })
    )
  )

  it.live("is 400 and -1 for a token count", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        for (const body of ["{", "[]", { prompt: 5 }, { prompt: null }]) {
          const answer = yield* post(simulator, "/api/extra/tokencount", body)
          assert.deepStrictEqual([answer.status, JSON.parse(answer.body)], [400, { value: -1 }])
        }
      })
    )
  )

  it.live("is too big past 32 MB, unread", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        const head = `POST /api/v1/generate HTTP/1.1\r\nhost: x\r\ncontent-length: ${32 * 1024 * 1024 + 1}\r\n\r\n`
        const answer = yield* exchange(simulator, head)
        assert.strictEqual(answer.status, 500)
        assert.include(answer.body, "Payload is too big. Max payload size is 32MB.")
      })
    )
  )

  it.live.each([
    ["1.76", 500],
    ["1.104", 200]
  ] as const)("is a chunked body for %s: %i", ([dialect, status]) =>
    withSimulator({ ...fast, dialect }, (simulator) =>
      Effect.gen(function* () {
        const body = '{"prompt":"x"}'
        const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
        const head = "POST /api/v1/generate HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        assert.strictEqual((yield* exchange(simulator, head + chunk)).status, status)
      })
    )
  )
})

describe("what isn't there", () => {
  it.live("is HTML for a GET, nothing for a POST, and 501 for most methods", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        for (const path of ["/nope", "/api/v1/generate"]) {
          const answer = yield* get(simulator, path)
          assert.deepStrictEqual([answer.status, answer.headers.get("content-type")], [404, "text/html"])
          assert.include(answer.body, "HTTP Server is running, but this endpoint does not exist.")
          assert.isFalse(answer.headers.has("content-length"))
        }
        const unknown = yield* post(simulator, "/nope", {})
        assert.deepStrictEqual([unknown.status, unknown.body], [404, ""])
        for (const method of ["PUT", "PATCH", "DELETE"]) {
          const answer = yield* send(simulator, method, "/api/v1/generate", { body: {} })
          assert.strictEqual(answer.status, 501)
          assert.include(answer.body, `Unsupported method ('${method}')`)
        }
        for (const method of ["HEAD", "OPTIONS"]) {
          const answer = yield* send(simulator, method, "/nope")
          assert.deepStrictEqual([answer.status, answer.body], [200, ""])
        }
      })
    )
  )

  it.live("takes the model all the same when it is a POST", () =>
    withSimulator({ ...slow, waiting: 0 }, (simulator) =>
      Effect.gen(function* () {
        yield* Effect.forkChild(generate(simulator, { genkey: "a" }), { startImmediately: true })
        yield* running(simulator, "a")
        assert.strictEqual((yield* post(simulator, "/nope", {})).status, 503)
      })
    )
  )
})

describe("a password", () => {
  const options = { ...fast, password: Redacted.make("secret") }
  const unauthorized =
    '{"detail":{"error":"Unauthorized","msg":"Authentication key is missing or invalid.","type":"unauthorized"}}'

  it.live("keeps strangers from generating, counting, aborting and checking", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const guarded = ["/api/v1/generate", "/v1/chat/completions", "/v1/completions"]
        const side = ["/api/extra/tokencount", "/api/extra/abort", "/api/extra/generate/check"]
        for (const path of [...guarded, ...side]) {
          for (const authorization of ["", "Bearer wrong", "bearer secret", "Basic secret"]) {
            const answer = yield* post(simulator, path, "{not json", { authorization })
            assert.deepStrictEqual([answer.status, answer.body], [401, unauthorized], `${path} ${authorization}`)
            assert.isFalse(answer.headers.has("content-length"))
          }
        }
        assert.strictEqual((yield* get(simulator, "/api/extra/generate/check")).status, 401)
        const known = { authorization: "Bearer secret" }
        assert.strictEqual((yield* post(simulator, "/api/v1/generate", { prompt: "x" }, known)).status, 200)
      })
    )
  )

  it.live("leaves the rest open, and hides the model's name in one place only", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const ask = (path: string) => Effect.map(get(simulator, path), ({ body }) => JSON.parse(body))
        assert.deepStrictEqual(yield* ask("/api/v1/model"), { result: "koboldcpp/protected-model" })
        assert.strictEqual((yield* ask("/v1/models")).data[0].id, "koboldcpp/simulated")
        assert.isTrue((yield* ask("/api/extra/version")).protected)
        assert.strictEqual((yield* ask("/api/extra/perf")).idle, 1)
      })
    )
  )

  it.live("is asked for only once it is the request's turn", () =>
    withSimulator({ ...options, ...slow, waiting: 1 }, (simulator) =>
      Effect.gen(function* () {
        const known = { authorization: "Bearer secret" }
        const first = post(simulator, "/api/v1/generate", { prompt: "x", genkey: "a" }, known)
        yield* Effect.forkChild(first, { startImmediately: true })
        yield* running(simulator, "a")
        const stranger = yield* Effect.forkChild(generate(simulator), { startImmediately: true })
        yield* inLine(simulator, 1)
        assert.strictEqual((yield* generate(simulator)).status, 503)
        assert.strictEqual((yield* abort(simulator, "a")).detail.type, "unauthorized")
        yield* post(simulator, "/api/extra/abort", { genkey: "a" }, known)
        assert.strictEqual((yield* Fiber.join(stranger)).status, 401)
      })
    )
  )
})
