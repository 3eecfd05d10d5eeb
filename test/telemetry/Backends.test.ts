import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { configFile } from "../support/ConfigFile.ts"
import { assertFailure, sendEvent } from "../support/Http.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { rawBackend } from "../support/RawBackend.ts"
import { startService } from "../support/Running.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"

describe("a request's story", () => {
  /** Two backends behind one route, and a collector. */
  const pool = Effect.fnUntraced(function* (route: object = {}) {
    const [collector, one, other] = [yield* otlpReceiver(), yield* scriptedBackend, yield* scriptedBackend]
    const path = yield* configFile({
      backends: [
        { name: "one", url: one.url },
        { name: "other", url: other.url }
      ],
      routes: [{ models: ["*"], backends: ["one", "other"], ...route }]
    })
    const { url } = yield* testService({ ...exportingTo(collector), AI_TICKET_CONFIG: path })
    const requests = () => collector.spans().filter(({ kind }) => kind === "server")
    const attempts = () => collector.spans().filter(({ attributes }) => "gen_ai.operation.name" in attributes)
    return { attempts, one, other, requests, url }
  })

  it.live("tells that another backend was asked, and which", () =>
    Effect.gen(function* () {
      const { attempts, one, requests, url } = yield* pool()
      one.script({ chat: [{ raw: "rubbish" }], completion: [{ raw: "rubbish" }], generate: [{ raw: "rubbish" }] })
      assert.strictEqual((yield* sendEvent(url, { content: "p" })).status, 200)
      yield* eventually(() => requests().length === 1)
      const fallback = { name: "ai_ticket.fallback", attributes: { "ai_ticket.backend": "one" } }
      // Two endpoints of the first one, and then the other one.
      assert.deepStrictEqual(requests()[0]?.events, [fallback, fallback, fallback])
      assert.deepStrictEqual(
        attempts().map(({ attributes }) => attributes["ai_ticket.backend"]),
        ["one", "one", "one", "other"]
      )
    })
  )

  it.live("tells that a second backend was asked beside a slow one, and whose answer it was", () =>
    Effect.gen(function* () {
      const { attempts, one, requests, url } = yield* pool({ hedge: { after_ms: 50 } })
      one.script({ chat: [{ hang: true }] })
      assert.strictEqual((yield* sendEvent(url, { content: "p" })).status, 200)
      yield* eventually(() => requests().length === 1 && attempts().length === 2)
      assert.deepStrictEqual(requests()[0]?.events, [
        { name: "ai_ticket.hedge", attributes: { "ai_ticket.backend": "other", "ai_ticket.hedge.outcome": "won" } }
      ])
      const [server] = requests()
      for (const { parentSpanId, traceId } of attempts()) {
        assert.deepStrictEqual([parentSpanId, traceId], [server?.spanId, server?.traceId])
      }
    })
  )

  it.live("tells whether its answer is one that was kept", () =>
    Effect.gen(function* () {
      const { requests, url } = yield* pool({ cache: {} })
      const ask = sendEvent(url, { content: { prompt: "p", temperature: 0 } })
      yield* Effect.andThen(ask, ask)
      yield* eventually(() => requests().length === 2)
      assert.deepStrictEqual(
        requests().map(({ attributes }) => attributes["ai_ticket.cache"]),
        ["miss", "hit"]
      )
    })
  )

  it.live("tells of a wait that came to nothing", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { backend, url } = yield* startService(exportingTo(collector))
      backend.script({ chat: [{ hang: true }] })
      yield* Effect.forkScoped(sendEvent(url, { content: "first" }), { startImmediately: true })
      yield* eventually(() => backend.calls.length === 1)
      const late = yield* sendEvent(url, { content: "second" }, { headers: { "x-request-timeout": "0.2" } })
      assertFailure(late, "deadline_exceeded")
      yield* eventually(() => collector.spans().length === 2)
      const queue = collector.spans().find(({ name }) => name === "queue")
      assert.isTrue(queue?.failed)
      assert.strictEqual(queue?.attributes["error.type"], "aborted")
    })
  )

  it.live("tells of an abort that was not heard", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const backend = yield* rawBackend("never")
      const { url } = yield* testService({ ...exportingTo(collector), KOBOLDCPP_API_URL: backend.url })
      const asked = yield* Effect.forkScoped(sendEvent(url, { content: "p" }), { startImmediately: true })
      yield* eventually(() => backend.requests.length === 1)
      yield* Fiber.interrupt(asked)
      yield* eventually(() => backend.requests.length === 2)
      backend.crash()
      const abort = () => collector.spans().find(({ name }) => name === "abort")
      yield* eventually(() => abort() !== undefined)
      assert.isTrue(abort()?.failed)
      assert.deepInclude(abort()?.attributes, { "error.type": "not_heard", "ai_ticket.abort.outcome": "failed" })
    })
  )
})
