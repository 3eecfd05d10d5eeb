import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
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

describe("a route that shares nothing", () => {
  it.live("says nothing of it", () =>
    Effect.gen(function* () {
      const { ask } = yield* sharing({})
      assert.isUndefined(cacheOf(yield* ask()))
    })
  )
})
