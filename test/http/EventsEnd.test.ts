import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { batchClient } from "../support/BatchClient.ts"
import { send, until } from "../support/Http.ts"
import { startService } from "../support/Running.ts"
import type { ScriptedBackend } from "../support/ScriptedBackend.ts"
import { settled } from "../support/Settled.ts"
import { eventually } from "../support/TestService.ts"

const events = (count: number) => Array.from({ length: count }, (_, id) => ({ id, content: `p${id}` }))
const codes = (lines: ReadonlyArray<Record<string, unknown>>) => lines.map(({ error }) => error)

/** Every generation that was begun has been aborted. */
const allAborted = ({ aborts, calls }: ScriptedBackend) =>
  eventually(() => {
    const aborted = new Set(aborts.map(({ genkey }) => genkey))
    return calls.every(({ body }) => aborted.has(body["genkey"]))
  })

describe.concurrent("a client that leaves its batch", { timeout: 20_000 }, () => {
  for (const [what, more] of [
    ["while it has sent all of it", Buffer.alloc(0)],
    [
      "while it has more to send than is read",
      Buffer.from(`${JSON.stringify({ content: "x".repeat(1000) })}\n`.repeat(5000))
    ]
  ] as const) {
    it.live(`${what}: what is with the backend is aborted, and nothing more is begun`, () =>
      Effect.gen(function* () {
        const settings = { AI_TICKET_SLOTS: "3", AI_TICKET_STREAM_KEEP_ALIVE_SECONDS: "600" }
        const { backend, context, url } = yield* startService(settings)
        const line = Context.get(context, WaitingLine)
        backend.script({ chat: [{ hang: true }] })
        const client = yield* batchClient(url)
        client.end(...events(20), more)
        yield* until(line.waiting, (waiting) => waiting === 5)
        // Until the service reads no more of it.
        yield* settled(client.unsent)
        client.leave()
        yield* allAborted(backend)
        yield* until(line.inUse, (inUse) => inUse === 0)
        assert.deepStrictEqual([backend.calls.length, yield* line.waiting], [3, 0])
      })
    )
  }
})

describe("a batch that its client cancels", () => {
  it.live("has what is in hand aborted, and it and the rest told so", () =>
    Effect.gen(function* () {
      const { backend, context, url } = yield* startService({ AI_TICKET_SLOTS: "2", AI_TICKET_QUEUE_LIMIT: "10" })
      const line = Context.get(context, WaitingLine)
      backend.script({ chat: [{ hang: true }] })
      const client = yield* batchClient(url, { headers: { "x-request-id": "nightly" } })
      client.write(...events(20))
      yield* eventually(() => backend.calls.length === 2)
      const { status } = yield* send(url, { method: "DELETE", path: "/requests/nightly" })
      assert.strictEqual(status, 204)
      const answer = yield* client.answer
      assert.deepStrictEqual(
        codes(answer),
        events(21).map(() => "cancelled")
      )
      yield* allAborted(backend)
      yield* until(line.inUse, (inUse) => inUse === 0)
      assert.strictEqual(backend.calls.length, 2)
    })
  )
})

/** A service whose scope the test closes itself, as a signal would. */
const setUp = Effect.fnUntraced(function* (settings: Record<string, string>) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const service = yield* Scope.provide(startService(settings), scope)
  return { ...service, stop: Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true }) }
})

describe.concurrent("a batch when its instance stops", { timeout: 20_000 }, () => {
  it.live("has what is in hand answered, and is told of the rest that it must go elsewhere", () =>
    Effect.gen(function* () {
      const { backend, stop, url } = yield* setUp({ AI_TICKET_SLOTS: "2" })
      backend.script({ chat: [{ hang: true }] })
      const client = yield* batchClient(url)
      client.write(...events(2))
      yield* eventually(() => backend.calls.length === 2)
      const stopping = yield* stop
      yield* until(send(url, { path: "/ready" }), ({ text }) => text.includes('"draining":true'))
      client.write({ id: 2, content: "late" })
      yield* eventually(() => client.lines().length === 1)
      assert.deepInclude(client.lines()[0], { index: 2, id: 2, error: "shutting_down", status_code: 503 })
      backend.release()
      yield* eventually(() => client.lines().length === 3)
      client.end()
      assert.deepStrictEqual(codes(yield* client.answer), ["shutting_down", undefined, undefined])
      yield* Fiber.join(stopping)
      assert.deepStrictEqual([client.ending(), backend.aborts.length], ["whole", 0])
    })
  )

  it.live("has the rest aborted and told so when the grace period is over, whether all was sent or not", () =>
    Effect.gen(function* () {
      const { backend, stop, url } = yield* setUp({ AI_TICKET_SLOTS: "2", AI_TICKET_SHUTDOWN_GRACE_SECONDS: "0.3" })
      backend.script({ chat: [{ hang: true }] })
      const clients = [yield* batchClient(url), yield* batchClient(url)]
      clients[0]?.end(...events(20))
      clients[1]?.write(...events(20))
      yield* eventually(() => backend.calls.length === 2)
      yield* Fiber.join(yield* stop)
      yield* allAborted(backend)
      const [sent, unsent] = yield* Effect.forEach(clients, (client) => client.answer)
      assert.deepStrictEqual(
        codes(sent ?? []),
        events(20).map(() => "shutting_down")
      )
      // The last one is of what was still to come.
      assert.deepStrictEqual(
        codes(unsent ?? []),
        events(21).map(() => "shutting_down")
      )
      assert.deepInclude(unsent?.[20], { index: 20, id: null })
      assert.strictEqual(backend.calls.length, 2)
    })
  )

  it.live("isn't held up by a reader that doesn't read", () =>
    Effect.gen(function* () {
      const { backend, stop, url } = yield* setUp({ AI_TICKET_SHUTDOWN_GRACE_SECONDS: "0.2" })
      backend.script({ chat: [{ body: { choices: [{ message: { content: "x".repeat(500_000) } }] } }] })
      const client = yield* batchClient(url, { deaf: true })
      client.write(...events(500))
      yield* settled(() => backend.calls.length)
      const start = performance.now()
      yield* Fiber.join(yield* stop)
      assert.isBelow(performance.now() - start, 5000)
    })
  )
})
