import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { atRest } from "../support/AtRest.ts"
import { send, until } from "../support/Http.ts"
import { sendEvent } from "../support/LeavingClient.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { type Call, scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, jsonOf, postEvent, testService } from "../support/TestService.ts"
import { turns } from "../support/Turns.ts"

const promptness = 250

const setUp = (settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const backend = yield* scriptedBackend
    const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, ...settings })
    const line = Context.get(service.context, WaitingLine)
    return { backend, service, line }
  })

const answersAsBefore = Effect.fnUntraced(function* (url: string) {
  const response = yield* postEvent(url, { content: "still there?" })
  assert.strictEqual((yield* jsonOf(response))["completion"], "from chat")
})

describe("a client that leaves", () => {
  it.live("before the answer: the backend hears the abort of its generation and sees the connection close", () =>
    Effect.gen(function* () {
      const all = yield* setUp()
      const { backend, service } = all
      backend.script({ chat: [{ hang: true }, {}] })
      const client = yield* sendEvent(service.url, { content: "p" })
      yield* eventually(() => backend.calls.length === 1)
      const [call] = backend.calls as [Call]
      const left = performance.now()
      client.leave()
      yield* eventually(() => backend.aborts.length === 1 && call.closedEarlyAt !== undefined)
      assert.strictEqual(backend.aborts[0]?.genkey, call.body["genkey"])
      assert.isBelow((backend.aborts[0]?.at ?? Number.NaN) - left, promptness)
      assert.isBelow((call.closedEarlyAt ?? Number.NaN) - left, promptness)
      yield* answersAsBefore(service.url)
      yield* atRest(all.service.context)
    })
  )

  it.live("while the answer comes in pieces", () =>
    Effect.gen(function* () {
      const all = yield* setUp()
      const { backend, service } = all
      backend.script({ chat: [{ dribble: true }, {}] })
      const client = yield* sendEvent(service.url, { content: "p" })
      yield* eventually(() => backend.calls.length === 1)
      client.leave()
      const left = performance.now()
      yield* eventually(() => backend.aborts.length === 1 && backend.calls[0]?.closedEarlyAt !== undefined)
      assert.isBelow(performance.now() - left, promptness)
      assert.strictEqual(backend.aborts[0]?.genkey, backend.calls[0]?.body["genkey"])
      yield* answersAsBefore(service.url)
      yield* atRest(all.service.context)
    })
  )

  it.live("while it waits in line: the backend never hears of it", () =>
    Effect.gen(function* () {
      const all = yield* setUp()
      const { backend, line, service } = all
      backend.script({ chat: [{ hang: true }, {}] })
      const first = yield* sendEvent(service.url, { content: "first" })
      yield* eventually(() => backend.calls.length === 1)
      const second = yield* sendEvent(service.url, { content: "second" })
      yield* until(line.waiting, (waiting) => waiting === 1)
      second.leave()
      yield* until(line.waiting, (waiting) => waiting === 0)
      assert.isFalse(first.settled())
      backend.release()
      yield* eventually(() => first.status() === 200)
      assert.strictEqual(backend.calls.length, 1)
      assert.strictEqual(backend.aborts.length, 0)
      yield* answersAsBefore(service.url)
      yield* atRest(all.service.context)
    })
  )

  it.live("while its request backs off: no further attempt is made", () =>
    Effect.gen(function* () {
      const all = yield* setUp()
      const { backend, line, service } = all
      backend.script({ chat: [{ status: 503, headers: { "retry-after": "60" } }, {}] })
      const client = yield* sendEvent(service.url, { content: "p" })
      // The attempt is counted when it has failed: what follows is the minute that the backend asked for.
      const failed = { backend: "koboldcpp", endpoint: "chat", outcome: "api_server_error" }
      yield* until(
        send(service.url, { path: "/metrics" }),
        ({ text }) => sampleValue(parseMetrics(text), "ai_ticket_backend_attempts_total", failed) === 1
      )
      assert.strictEqual(yield* line.inUse, 1)
      client.leave()
      yield* until(line.inUse, (inUse) => inUse === 0)
      assert.deepStrictEqual([backend.calls.length, backend.aborts.length], [1, 0])
      yield* answersAsBefore(service.url)
      yield* atRest(all.service.context)
    })
  )

  it.live("when its deadline ends: 504, and the same abort", () =>
    Effect.gen(function* () {
      const all = yield* setUp()
      const { backend, service } = all
      backend.script({ chat: [{ hang: true }, {}] })
      const response = yield* postEvent(service.url, { content: "p" }, { headers: { "x-request-timeout": "0.2" } })
      assert.strictEqual((yield* jsonOf(response))["error"], "deadline_exceeded")
      const told = performance.now()
      yield* eventually(() => backend.aborts.length === 1 && backend.calls[0]?.closedEarlyAt !== undefined)
      assert.isBelow(performance.now() - told, promptness)
      assert.strictEqual(backend.aborts[0]?.genkey, backend.calls[0]?.body["genkey"])
      yield* answersAsBefore(service.url)
      yield* atRest(all.service.context)
    })
  )

  it.live(
    "a thousand times, at any moment: nothing is left behind",
    () =>
      Effect.gen(function* () {
        const all = yield* setUp({ AI_TICKET_SLOTS: "8", AI_TICKET_QUEUE_LIMIT: "64" })
        const { backend, service } = all
        backend.script({ chat: [{ hang: true }] })
        yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, index) => index),
          Effect.fnUntraced(function* (index) {
            const client = yield* sendEvent(service.url, { content: `p${index}` })
            // Most leave from before the connection stands to after the backend was asked; some surely after that.
            if (index % 20 !== 0) yield* turns(index % 20)
            else yield* eventually(() => client.settled() || backend.calls.some(({ prompt }) => prompt === `p${index}`))
            client.leave()
          }),
          { concurrency: 50, discard: true }
        )
        yield* atRest(all.service.context)
        const reached = () => backend.calls.map(({ body }) => body["genkey"])
        yield* eventually(() => {
          const aborted = new Set(backend.aborts.map(({ genkey }) => genkey))
          return reached().every((genkey) => aborted.has(genkey))
        })
        assert.isAbove(reached().length, 0)
        assert.strictEqual(new Set(reached()).size, reached().length)
        backend.script({})
        yield* answersAsBefore(service.url)
        yield* eventually(() => backend.openConnections() <= 16)
        yield* atRest(all.service.context)
      }),
    60_000
  )
})
