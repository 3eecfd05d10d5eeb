import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { WaitingLine } from "../../../src/services/WaitingLine.ts"
import { jsonIn, until } from "../../support/Http.ts"
import { closedPort } from "../../support/RawBackend.ts"
import { startService } from "../../support/Running.ts"
import { scriptedBackend } from "../../support/ScriptedBackend.ts"
import { eventually, testService } from "../../support/TestService.ts"
import { event, koboldClient, over } from "./KoboldClient.ts"

/** Each route, the backend's route that it is from, and an answer. */
const passed = [
  ["/api/v1/model", "/api/v1/model", { result: "koboldcpp/model" }],
  ["/api/latest/model", "/api/v1/model", { result: "koboldcpp/model" }],
  ["/api/v1/info/version", "/api/v1/info/version", { result: "1.2.5" }],
  ["/api/latest/info/version", "/api/v1/info/version", { result: "1.2.5" }],
  ["/api/extra/true_max_context_length", "/api/extra/true_max_context_length", { value: 8192 }],
  ["/api/v1/config/max_context_length", "/api/v1/config/max_context_length", { value: 4096 }],
  ["/api/latest/config/max_context_length", "/api/v1/config/max_context_length", { value: 4096 }],
  ["/api/v1/config/max_length", "/api/v1/config/max_length", { value: 896 }],
  ["/api/latest/config/max_length", "/api/v1/config/max_length", { value: 896 }]
] as const

const answers = {
  ...Object.fromEntries(passed.map(([, asked, body]) => [asked, { body }])),
  "/api/extra/version": { body: { result: "KoboldCpp", version: "1.104", protected: true, llm: true, vision: true } },
  "/api/extra/perf": { body: { last_token_count: 24, queue: 9, idle: 0, uptime: 3.5 } },
  "/api/extra/tokencount": { body: { value: 2, ids: [11, 12] } }
}

const setUp = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>> = {}) {
  const service = yield* startService(settings)
  service.backend.tell(answers)
  return { ...service, client: koboldClient(service, settings["AI_TICKET_AUTH_TOKEN"]) }
})

describe("what KoboldCpp is asked about itself", () => {
  it.live("is what the backend says of itself", () =>
    Effect.gen(function* () {
      const { client } = yield* setUp()
      for (const [path, , body] of passed) {
        const answer = yield* client.get(path)
        assert.deepStrictEqual([answer.status, jsonIn(answer)], [200, body], path)
      }
    })
  )

  it.live("is asked once a second at most, however many clients poll", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setUp()
      yield* Effect.forEach(Array.from({ length: 60 }), () => client.get("/api/extra/perf"), { concurrency: 30 })
      assert.isAtMost(backend.questions.length, 3)
    })
  )

  const routes = [...passed.map(([path]) => path), "/api/extra/version", "/api/extra/perf"]
  it.live("is a 503 of KoboldCpp's while it is down", () =>
    Effect.gen(function* () {
      const service = yield* testService({ KOBOLDCPP_API_URL: yield* closedPort })
      const client = koboldClient(service)
      for (const path of routes) {
        const answer = yield* client.get(path)
        assert.strictEqual(answer.status, 503, path)
        assert.deepStrictEqual(jsonIn(answer), {
          detail: { msg: "No backend is up.", type: "service_unavailable", error: "no_backend_available" }
        })
        assert.strictEqual(answer.headers["retry-after"], "1")
      }
      const counted = yield* client.post("/api/extra/tokencount", { prompt: "p" })
      assert.strictEqual(counted.status, 503)
    })
  )

  it.live("is an error of the backend's when it says something odd", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setUp()
      backend.tell({ "/api/v1/model": { raw: "null" }, "/api/extra/version": { status: 401 } })
      const codes = {
        "/api/v1/model": "api_response_structure_error",
        "/api/extra/version": "api_authentication_error"
      }
      for (const [path, error] of Object.entries(codes)) {
        const answer = yield* client.get(path)
        assert.strictEqual(answer.status, 502)
        assert.deepInclude(jsonIn(answer)["detail"], { error, type: "service_unavailable" })
      }
    })
  )
})

describe("what several backends say of themselves", () => {
  const setUpTwo = Effect.gen(function* () {
    const one = yield* scriptedBackend
    const two = yield* scriptedBackend
    const service = yield* testService({ KOBOLDCPP_API_URL: `${one.url},${two.url}` })
    return { client: koboldClient(service), one, two }
  })
  const value = (value: number) => ({ body: { value } })

  it.live("is the least of their lengths, whichever gets the prompt", () =>
    Effect.gen(function* () {
      const { client, one, two } = yield* setUpTwo
      one.tell({
        "/api/extra/true_max_context_length": value(8192),
        "/api/v1/config/max_context_length": value(2048),
        "/api/v1/config/max_length": { status: 404 }
      })
      two.tell({
        "/api/extra/true_max_context_length": value(4096),
        "/api/v1/config/max_context_length": value(4096),
        "/api/v1/config/max_length": value(512)
      })
      const least = {
        "/api/extra/true_max_context_length": 4096,
        "/api/v1/config/max_context_length": 2048,
        "/api/v1/config/max_length": 512
      }
      for (const [path, value] of Object.entries(least)) {
        assert.deepStrictEqual(jsonIn(yield* client.get(path)), { value }, path)
      }
    })
  )

  it.live("is otherwise the word of the first that knows", () =>
    Effect.gen(function* () {
      const { client, one, two } = yield* setUpTwo
      const said = (model: string) => ({
        "/api/v1/model": { body: { result: model } },
        "/api/extra/tokencount": { body: { value: 1, ids: [1] } }
      })
      one.tell({ ...said("one"), "/api/extra/tokencount": { reset: true } })
      two.tell(said("two"))
      assert.deepStrictEqual(jsonIn(yield* client.get("/api/v1/model")), { result: "one" })
      assert.strictEqual(two.questions.length, 0)
      assert.strictEqual((yield* client.post("/api/extra/tokencount", { prompt: "p" })).status, 200)
      one.tell({ "/api/v1/model": { status: 503 } })
      yield* until(client.get("/api/v1/model"), ({ text }) => text === '{"result":"two"}')
      two.tell({ "/api/v1/model": { status: 401 } })
      const neither = yield* until(client.get("/api/v1/model"), ({ status }) => status !== 200)
      assert.deepInclude(jsonIn(neither)["detail"], { error: "no_backend_available" })
    })
  )
})

it.live("where no backend is a KoboldCpp, nobody can be asked, nor for native text", () =>
  Effect.gen(function* () {
    const server = yield* scriptedBackend
    const path = yield* Effect.acquireRelease(
      Effect.sync(() => join(mkdtempSync(join(tmpdir(), "ai-ticket-")), "backends.json")),
      (path) => Effect.sync(() => rmSync(dirname(path), { recursive: true }))
    )
    writeFileSync(path, JSON.stringify({ backends: [{ name: "other", kind: "openai", url: server.url }] }))
    const client = koboldClient(yield* testService({ AI_TICKET_CONFIG: path }))
    const unable = [client.get("/api/v1/model"), client.get("/api/v1/config/max_length"), client.generate()]
    for (const ask of [...unable, client.post("/api/extra/tokencount", { prompt: "p" })]) {
      const answer = yield* ask
      assert.strictEqual(answer.status, 502)
      assert.deepInclude(jsonIn(answer)["detail"], { error: "api_client_error" })
    }
    assert.deepStrictEqual([server.calls, server.questions], [[], []])
  })
)

describe("GET /api/extra/version", () => {
  const claims = {
    ...{ result: "KoboldCpp", version: "1.104", protected: false, llm: true, txt2img: false, vision: true },
    ...{ audio: false, transcribe: false, multiplayer: false, websearch: false, tts: false, embeddings: false },
    ...{ savedata: false, admin: 0, guidance: false, jinja: false }
  }

  it.live("is the backend's version, with what is true of us", () =>
    Effect.gen(function* () {
      const { client } = yield* setUp()
      assert.deepStrictEqual(jsonIn(yield* client.get("/api/extra/version")), claims)
    })
  )

  it.live("says that it is protected when a token is needed, and claims nothing that has a route of its own", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setUp({ AI_TICKET_AUTH_TOKEN: "secret" })
      const everything = Object.fromEntries(Object.keys(claims).map((name) => [name, true]))
      backend.tell({ "/api/extra/version": { body: { ...everything, version: "1.200", mcp: true, router: true } } })
      assert.deepStrictEqual(jsonIn(yield* client.get("/api/extra/version")), {
        ...claims,
        ...{ version: "1.200", protected: true, vision: true, audio: true, guidance: true, jinja: true }
      })
    })
  )
})

describe("GET /api/extra/perf", () => {
  it.live("tells our line and our slots, and of the model what the backend tells", () =>
    Effect.gen(function* () {
      const { backend, client, context } = yield* setUp()
      const rest = { last_token_count: 24, uptime: 3.5 }
      assert.deepStrictEqual(jsonIn(yield* client.get("/api/extra/perf")), { ...rest, queue: 0, idle: 1 })
      backend.script({ generate: [{ pieces: [event("one")], after: "hang" }, {}] })
      const answers = yield* Effect.forkScoped(
        Effect.all([client.generate(), client.generate(), client.generate()], { concurrency: 3 })
      )
      yield* until(Context.get(context, WaitingLine).waiting, (waiting) => waiting === 2)
      assert.deepStrictEqual(jsonIn(yield* client.get("/api/extra/perf")), { ...rest, queue: 2, idle: 0 })
      yield* eventually(() => backend.calls.length === 1)
      yield* until(
        Effect.sync(() => backend.feed(over)),
        () => answers.pollUnsafe() !== undefined
      )
      yield* Fiber.join(answers)
    })
  )
})

describe("POST /api/extra/tokencount", () => {
  for (const path of ["/api/extra/tokencount", "/api/extra/tokenize"]) {
    it.live(`is the backend's count, at ${path}`, () =>
      Effect.gen(function* () {
        const { backend, client } = yield* setUp()
        const fields = { prompt: "two words", special: false }
        const answer = yield* client.post(path, fields)
        assert.deepStrictEqual([answer.status, jsonIn(answer)], [200, { value: 2, ids: [11, 12] }])
        assert.deepStrictEqual(
          backend.questions.map(({ body, path }) => [path, body]),
          [["/api/extra/tokencount", fields]]
        )
      })
    )
  }

  it.live("refuses what the backend would choke on", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setUp()
      for (const body of ['{"prompt":1}', '{"prompt":"\\ud800"}', "[]", "{"]) {
        const answer = yield* client.post("/api/extra/tokencount", body)
        assert.oneOf(answer.status, [400, 422])
        assert.deepInclude(jsonIn(answer)["detail"], { type: "bad_input" })
      }
      assert.strictEqual(backend.questions.length, 0)
    })
  )

  it.live("asks a few at once, keeps some waiting, and refuses the rest", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* setUp()
      backend.tell({ "/api/extra/tokencount": { hang: true } })
      const asked = Array.from({ length: 80 }, () => client.post("/api/extra/tokencount", { prompt: "p" }))
      const counts = yield* Effect.forkScoped(Effect.all(asked, { concurrency: "unbounded" }))
      yield* eventually(() => backend.questions.length === 3)
      const refused = yield* until(client.post("/api/extra/tokencount"), ({ status }) => status === 503)
      assert.deepInclude(jsonIn(refused)["detail"], { error: "overloaded", type: "service_unavailable" })
      assert.strictEqual(backend.questions.length, 3)
      yield* Fiber.interrupt(counts)
      backend.tell(answers)
      yield* until(client.post("/api/extra/tokencount"), ({ status }) => status === 200)
    })
  )
})
