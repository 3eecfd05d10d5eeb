import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { sendBatch } from "../support/BatchClient.ts"
import { jsonIn, send, sendEvent } from "../support/Http.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const sharing = Effect.fnUntraced(function* (route: object, settings: Readonly<Record<string, string>> = {}) {
  const path = join(yield* folder, "backends.json")
  const backend = yield* scriptedBackend
  const write = (route: object) =>
    writeFileSync(
      path,
      JSON.stringify({
        backends: [{ name: "one", url: backend.url, slots: 4 }],
        routes: [{ models: ["*"], backends: ["one"], ...route }]
      })
    )
  write(route)
  const service = yield* testService({ AI_TICKET_CONFIG: path, ...settings })
  const ask = (headers: Readonly<Record<string, string>> = {}, content: object = { prompt: "p", temperature: 0 }) =>
    sendEvent(service.url, { content }, { headers })
  return { ...service, backend, write, ask }
})

const cacheOf = ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }) => headers["x-ai-ticket-cache"]

describe("a route that coalesces", () => {
  it.live("sends one of several equal requests to the backend, and says who joined", () =>
    Effect.gen(function* () {
      const { ask, backend } = yield* sharing({ coalesce: true })
      backend.script({ chat: [{ hang: true }, {}] })
      const first = yield* Effect.forkChild(ask())
      yield* eventually(() => backend.calls.length === 1)
      const second = yield* Effect.forkChild(ask())
      const other = yield* ask({}, { prompt: "another", temperature: 0 })
      assert.strictEqual(cacheOf(other), "miss")
      backend.release()
      const answers = yield* Fiber.joinAll([first, second])
      assert.deepStrictEqual(answers.map(cacheOf), ["miss", "joined"])
      assert.deepStrictEqual(
        answers.map((answer) => jsonIn(answer)["completion"]),
        ["from chat", "from chat"]
      )
      assert.strictEqual(backend.calls.length, 2)
    })
  )

  it.live("aborts the generation when the last client has left, and not before", () =>
    Effect.gen(function* () {
      const { ask, backend, lines, url } = yield* sharing({ coalesce: true })
      backend.script({ chat: [{ hang: true }, {}] })
      const first = yield* Effect.forkChild(ask())
      yield* eventually(() => backend.calls.length === 1)
      const body = JSON.stringify({ model: "m", temperature: 0, messages: [{ role: "user", content: "p" }] })
      const chat = send(url, {
        ...{ method: "POST", path: "/v1/chat/completions", body },
        headers: { "content-type": "application/json" }
      })
      // Asked in another way it is another request, however alike.
      assert.strictEqual((yield* chat).status, 200)
      const second = yield* Effect.forkChild(ask())
      const hasty = Effect.map(ask({ "x-request-timeout": "0.05" }), (answer) => [answer.status, cacheOf(answer)])
      assert.deepStrictEqual(yield* hasty, [504, "joined"])
      yield* Fiber.interrupt(first)
      yield* eventually(() => lines.some((line) => line.includes('"status":499')))
      assert.deepStrictEqual(yield* hasty, [504, "joined"])
      assert.strictEqual(backend.aborts.length, 0)
      yield* Fiber.interrupt(second)
      yield* eventually(() => backend.aborts.length === 1)
    })
  )
})

describe("a route with a cache", () => {
  it.live("gives an answer again, each under an id of its own, and only to whoever wants it", () =>
    Effect.gen(function* () {
      const { ask, backend } = yield* sharing({ cache: {} })
      const [first, again] = [yield* ask(), yield* ask()]
      assert.deepStrictEqual([first, again].map(cacheOf), ["miss", "hit"])
      const { id, ...said } = jsonIn(first)
      const { id: other, ...repeated } = jsonIn(again)
      assert.deepStrictEqual(repeated, said)
      assert.notStrictEqual(other, id)
      assert.strictEqual(cacheOf(yield* ask({ "cache-control": "max-age=0, No-Cache" })), "miss")
      assert.strictEqual(cacheOf(yield* ask({ "cache-control": "no-store" })), "miss")
      assert.strictEqual(backend.calls.length, 3)
    })
  )

  it.live("gives the events of a batch what was kept, unless it says that it wants none of it", () =>
    Effect.gen(function* () {
      const { ask, backend, url } = yield* sharing({ cache: {} })
      yield* ask()
      const event = { content: { prompt: "p", temperature: 0 } }
      const batch = (headers: Readonly<Record<string, string>>) => sendBatch(url, [event], { headers })
      assert.strictEqual((yield* batch({})).lines()[0]?.["completion"], "from chat")
      assert.strictEqual(backend.calls.length, 1)
      yield* batch({ "cache-control": "no-cache" })
      yield* batch({ "cache-control": "no-store" })
      assert.strictEqual(backend.calls.length, 3)
    })
  )

  it.live("counts a hit for the rate limit as any other request", () =>
    Effect.gen(function* () {
      const { ask } = yield* sharing({ cache: {} }, { RATE_LIMIT_REQUESTS: "2" })
      assert.deepStrictEqual([(yield* ask()).status, (yield* ask()).status, (yield* ask()).status], [200, 200, 429])
    })
  )

  it.live("keeps one token's answers from another's holder", () =>
    Effect.gen(function* () {
      const { ask } = yield* sharing({ cache: {} }, { AI_TICKET_AUTH_TOKEN: "one,two" })
      const as = (token: string) => Effect.map(ask({ "x-api-key": token }), cacheOf)
      assert.deepStrictEqual([yield* as("one"), yield* as("two"), yield* as("one")], ["miss", "miss", "hit"])
    })
  )

  it.live("begins anew when its route changes", () =>
    Effect.gen(function* () {
      const { ask, lines, write } = yield* sharing({ cache: {} })
      yield* ask()
      write({ cache: { max_entries: 5 } })
      yield* eventually(() => lines.some((line) => line.includes("was read again")))
      assert.deepStrictEqual([cacheOf(yield* ask()), cacheOf(yield* ask())], ["miss", "hit"])
    })
  )
})

describe("a route that shares nothing", () => {
  it.live("says nothing of it", () =>
    Effect.gen(function* () {
      const { ask } = yield* sharing({})
      assert.isUndefined(cacheOf(yield* ask()))
    })
  )
})
