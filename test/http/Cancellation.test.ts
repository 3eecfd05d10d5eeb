import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Metrics } from "../../src/services/Metrics.ts"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { sendEvent } from "../support/LeavingClient.ts"
import { type Call, scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, jsonOf, postEvent, testService } from "../support/TestService.ts"

const promptness = 250

const setUp = (settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const backend = yield* scriptedBackend
    const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, ...settings })
    const line = Context.get(service.context, WaitingLine)
    return { backend, service, line }
  })

/** The state of a service that has nothing in hand. */
const atRest = Effect.fnUntraced(function* ({ line, service }: Effect.Success<ReturnType<typeof setUp>>) {
  assert.deepStrictEqual([yield* line.waiting, yield* line.inUse], [0, 0])
  const text = yield* Context.get(service.context, Metrics).render
  assert.match(text, /^ai_ticket_http_requests_in_flight 0$/m)
})

const answersAsBefore = Effect.fnUntraced(function* (url: string) {
  const response = yield* postEvent(url, { content: "still there?" })
  assert.strictEqual((yield* jsonOf(response))["completion"], "from chat")
})

describe("a client that leaves", () => {
  it.live("before the answer: the backend hears the abort of its generation and sees the connection close", () =>
    Effect.gen(function* () {
      const all = yield* setUp()
      const { backend, line, service } = all
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
      assert.strictEqual(yield* line.inUse, 0)
      yield* atRest(all)
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
      yield* atRest(all)
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
      yield* Effect.repeat(line.waiting, { until: (waiting) => waiting === 1 })
      second.leave()
      const left = performance.now()
      yield* Effect.repeat(line.waiting, { until: (waiting) => waiting === 0 })
      assert.isBelow(performance.now() - left, promptness)
      backend.release()
      yield* eventually(() => first.status() === 200)
      assert.strictEqual(backend.calls.length, 1)
      assert.strictEqual(backend.aborts.length, 0)
      yield* answersAsBefore(service.url)
      yield* atRest(all)
    })
  )

  it.live("while its request backs off: no further attempt is made", () =>
    Effect.gen(function* () {
      const all = yield* setUp()
      const { backend, line, service } = all
      backend.script({ chat: [{ status: 503, headers: { "retry-after": "60" } }, {}] })
      const client = yield* sendEvent(service.url, { content: "p" })
      yield* eventually(() => backend.calls.length === 1 && backend.answered() === 1)
      const left = performance.now()
      client.leave()
      yield* Effect.repeat(line.inUse, { until: (inUse) => inUse === 0 })
      assert.isBelow(performance.now() - left, promptness)
      assert.strictEqual(backend.calls.length, 1)
      yield* answersAsBefore(service.url)
      yield* atRest(all)
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
      yield* atRest(all)
    })
  )

  it.live("a thousand times, at any moment: nothing is left behind", () =>
    Effect.gen(function* () {
      const all = yield* setUp({ AI_TICKET_SLOTS: "8", AI_TICKET_QUEUE_LIMIT: "64" })
      const { backend, line, service } = all
      backend.script({ chat: [{ hang: true }] })
      yield* Effect.forEach(
        Array.from({ length: 1000 }, (_, index) => index),
        Effect.fnUntraced(function* (index) {
          const client = yield* sendEvent(service.url, { content: `p${index}` })
          // From before the connection stands to long after the backend was asked.
          yield* Effect.sleep(`${index % 20} millis`)
          client.leave()
        }),
        { concurrency: 50, discard: true }
      )
      yield* Effect.repeat(line.inUse, { until: (inUse) => inUse === 0 })
      const reached = backend.calls.map(({ body }) => body["genkey"])
      assert.isAbove(reached.length, 50)
      const aborted = new Set(backend.aborts.map(({ genkey }) => genkey))
      assert.deepStrictEqual(
        reached.filter((genkey) => !aborted.has(genkey)),
        []
      )
      assert.strictEqual(new Set(reached).size, reached.length)
      backend.script({})
      yield* answersAsBefore(service.url)
      yield* eventually(() => backend.openConnections() <= 16)
      yield* atRest(all)
    })
  )
})
