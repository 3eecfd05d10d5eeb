import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { startService } from "../support/Running.ts"
import { streamOf } from "../support/ScriptedBackend.ts"
import { eventually, jsonOf, postEvent } from "../support/TestService.ts"

const cancel = (url: string, id: string, headers: Record<string, string> = {}) =>
  Effect.promise(() => fetch(`${url}/requests/${encodeURIComponent(id)}`, { method: "DELETE", headers }))

const named = (id: string, headers: Record<string, string> = {}) => ({ headers: { "x-request-id": id, ...headers } })

describe("DELETE /requests/{id}", () => {
  it.live("ends a request: its caller is told, and the backend hears the abort", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true }, {}] })
      const answer = yield* Effect.forkChild(postEvent(url, { content: "p" }, named("ticket/17")))
      yield* eventually(() => backend.calls.length === 1)
      const asked = performance.now()
      assert.strictEqual((yield* cancel(url, "ticket/17")).status, 204)
      yield* eventually(() => backend.aborts.length === 1)
      assert.isBelow((backend.aborts[0]?.at ?? Number.NaN) - asked, 250)
      assert.strictEqual(backend.aborts[0]?.genkey, backend.calls[0]?.body["genkey"])
      const response = yield* Fiber.join(answer)
      assert.strictEqual(response.status, 409)
      assert.deepInclude(yield* jsonOf(response), { error: "cancelled", status_code: 409 })
      assert.strictEqual((yield* cancel(url, "ticket/17")).status, 404)
      assert.strictEqual((yield* postEvent(url, { content: "p" })).status, 200)
    })
  )

  it.live("ends one that waits in line, of which the backend never hears", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ hang: true }] })
      const first = yield* Effect.forkChild(postEvent(url, { content: "first" }))
      yield* eventually(() => backend.calls.length === 1)
      const second = yield* Effect.forkChild(postEvent(url, { content: "second" }, named("second")))
      const gone = Effect.map(cancel(url, "second"), ({ status }) => status === 204)
      yield* Effect.repeat(gone, { until: (done) => done })
      assert.strictEqual((yield* Fiber.join(second)).status, 409)
      backend.release()
      assert.strictEqual((yield* Fiber.join(first)).status, 200)
      assert.deepStrictEqual([backend.calls.length, backend.aborts.length], [1, 0])
    })
  )

  it.live("ends a stream with a last event", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ pieces: streamOf("chat").slice(0, 1), after: "hang" }] })
      const response = yield* postEvent(url, { content: "p", stream: true }, named("stream"))
      assert.strictEqual((yield* cancel(url, "stream")).status, 204)
      const text = yield* Effect.promise(() => response.text())
      assert.include(text, '"error":"cancelled"')
      yield* eventually(() => backend.aborts.length === 1)
    })
  )

  it.live("is for what the same client has in hand alone", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_AUTH_TOKEN: "alpha,beta" })
      backend.script({ chat: [{ hang: true }] })
      const as = (token: string) => ({ authorization: `Bearer ${token}` })
      const answer = yield* Effect.forkChild(postEvent(url, { content: "p" }, named("mine", as("alpha"))))
      yield* eventually(() => backend.calls.length === 1)
      assert.strictEqual((yield* cancel(url, "mine", as("beta"))).status, 404)
      assert.strictEqual((yield* cancel(url, "mine")).status, 401)
      backend.release()
      assert.strictEqual((yield* Fiber.join(answer)).status, 200)
    })
  )
})
