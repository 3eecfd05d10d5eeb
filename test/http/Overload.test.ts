import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assertFailure, jsonIn, send, sendEvent, until } from "../support/Http.ts"
import { movableClock } from "../support/MovableClock.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const event = { content: "hi" }

/** One request holds the only slot, another waits behind it, and the line is full. */
const fullLine = Effect.gen(function* () {
  const { pass, seen } = yield* movableClock
  const service = yield* seen(startService({ AI_TICKET_SLOTS: "1", AI_TICKET_QUEUE_LIMIT: "1" }))
  const { backend, url } = service
  backend.script({ chat: [{ hang: true }] })
  const first = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
  yield* eventually(() => backend.calls.length === 1)
  const second = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
  yield* until(send(url, { path: "/ready" }), (answer) => lineOf(answer)["waiting"] === 1)
  const gauges = Effect.map(send(url, { path: "/metrics" }), ({ text }) => {
    const samples = parseMetrics(text)
    return ["queue_depth", "slots_in_use"].map((name) => sampleValue(samples, `ai_ticket_${name}`))
  })
  return { ...service, first, second, gauges, pass }
})

const lineOf = (answer: { readonly text: string }) => jsonIn(answer)["queue"] as Record<string, number>

describe("a full line", () => {
  it.live("turns the next one away at once, and says when to come back", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* fullLine
      const answer = yield* sendEvent(url, event)
      assertFailure(answer, "overloaded")
      assert.strictEqual(answer.headers["retry-after"], "1")
      assert.strictEqual(backend.calls.length, 1)
    })
  )

  it.live("is what /ready and /metrics tell, until it is empty again", () =>
    Effect.gen(function* () {
      const { backend, first, gauges, second, url } = yield* fullLine
      const ready = yield* send(url, { path: "/ready" })
      assert.strictEqual(ready.status, 200)
      assert.deepInclude(lineOf(ready), { waiting: 1, in_use: 1 })
      assert.deepStrictEqual(yield* gauges, [1, 1])
      backend.release()
      assert.strictEqual((yield* Fiber.join(first)).status, 200)
      yield* eventually(() => backend.calls.length === 2)
      assert.deepStrictEqual(yield* gauges, [0, 1])
      backend.release()
      assert.strictEqual((yield* Fiber.join(second)).status, 200)
      assert.deepStrictEqual(yield* gauges, [0, 0])
      assert.deepStrictEqual(lineOf(yield* send(url, { path: "/ready" })), {
        ...{ waiting: 0, in_use: 0, expected_wait_seconds: 0 }
      })
    })
  )

  it.live("has a place again as soon as a waiting client leaves", () =>
    Effect.gen(function* () {
      const { backend, second, url } = yield* fullLine
      yield* Fiber.interrupt(second)
      yield* until(send(url, { path: "/ready" }), (answer) => lineOf(answer)["waiting"] === 0)
      const third = yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
      yield* until(send(url, { path: "/ready" }), (answer) => lineOf(answer)["waiting"] === 1)
      backend.script({})
      backend.release()
      assert.strictEqual((yield* Fiber.join(third)).status, 200)
    })
  )

  it.live("still tells of a bad request what is bad about it", () =>
    Effect.gen(function* () {
      const { url } = yield* fullLine
      assertFailure(yield* sendEvent(url, "nonsense"), "invalid_request")
      assertFailure(yield* sendEvent(url, { content: null }), "prompt_extraction_failed")
      assert.strictEqual((yield* send(url)).status, 200)
    })
  )

  it.live("asks for more patience the slower the backend really is", () =>
    Effect.gen(function* () {
      const { backend, first, pass, second, url } = yield* fullLine
      pass(7000)
      backend.script({ chat: [{ hang: true }] })
      backend.release()
      yield* Fiber.join(first)
      yield* eventually(() => backend.calls.length === 2)
      yield* Effect.forkScoped(sendEvent(url, event), { startImmediately: true })
      yield* until(send(url, { path: "/ready" }), (answer) => lineOf(answer)["waiting"] === 1)
      const answer = yield* sendEvent(url, event)
      assertFailure(answer, "overloaded")
      // A place frees when the one at the backend has its answer, which took the one before more than 7 seconds.
      assert.isAtLeast(Number(answer.headers["retry-after"]), 8)
      yield* Fiber.interrupt(second)
    })
  )
})
