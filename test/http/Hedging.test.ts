import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { jsonIn, send, sendEvent, until } from "../support/Http.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const hedging = Effect.gen(function* () {
  const path = join(yield* folder, "backends.json")
  const [one, other] = [yield* scriptedBackend, yield* scriptedBackend]
  const backends = [
    { name: "one", url: one.url },
    { name: "other", url: other.url }
  ]
  const route = { models: ["*"], backends: ["one", "other"], hedge: { after_ms: 50 } }
  writeFileSync(path, JSON.stringify({ backends, routes: [route] }))
  return { one, other, ...(yield* testService({ AI_TICKET_CONFIG: path })) }
})

describe("a hedged route", () => {
  it.live("answers from the second when the first hangs, and aborts that one", () =>
    Effect.gen(function* () {
      const { one, other, url } = yield* hedging
      one.script({ chat: [{ hang: true }] })
      const answer = yield* sendEvent(url, { content: "p" })
      assert.deepStrictEqual([answer.status, jsonIn(answer)["backend"]], [200, "other"])
      yield* eventually(() => one.aborts.length === 1)
      assert.strictEqual(one.aborts[0]?.genkey, one.calls[0]?.body["genkey"])
      assert.strictEqual(other.aborts.length, 0)
      const metrics = Effect.map(send(url, { path: "/metrics" }), ({ text }) => parseMetrics(text))
      const samples = yield* until(metrics, (samples) => sampleValue(samples, "ai_ticket_slots_in_use") === 0)
      assert.strictEqual(
        sampleValue(samples, "ai_ticket_backend_hedges_total", { backend: "other", outcome: "won" }),
        1
      )
    })
  )

  it.live("leaves streams with the one that was asked", () =>
    Effect.gen(function* () {
      const { one, other, url } = yield* hedging
      one.script({ chat: [{ pieces: [], after: "hang" }] })
      const answer = yield* sendEvent(url, { content: "p", stream: true }, { headers: { "x-request-timeout": "0.3" } })
      assert.strictEqual(answer.status, 504)
      assert.deepStrictEqual([one.calls.length, other.calls.length], [1, 0])
    })
  )
})
