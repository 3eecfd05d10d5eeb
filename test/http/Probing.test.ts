import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { configFile } from "../support/ConfigFile.ts"
import { jsonIn, send, sendEvent, until } from "../support/Http.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"

const readiness = (url: string) =>
  Effect.map(send(url, { path: "/ready" }), (answer) => {
    const [hung] = jsonIn(answer)["backends"] as ReadonlyArray<Record<string, unknown>>
    return { breaker: hung?.["breaker"], health: hung?.["health"] }
  })

describe("a backend that takes connections and never answers", () => {
  it.live("is found out by probes, relieved of what it has in hand, and taken in by a probe when it is back", () =>
    Effect.gen(function* () {
      const [hung, other] = [yield* scriptedBackend, yield* scriptedBackend]
      hung.script({ chat: [{ hang: true }] })
      hung.tell({ "/api/extra/perf": { hang: true } })
      const probe = { every_seconds: 0.2 }
      const config = yield* configFile({
        backends: [
          { name: "hung", url: hung.url, probe },
          { name: "other", url: other.url, priority: 2, probe }
        ]
      })
      const service = yield* testService({ AI_TICKET_CONFIG: config })
      const ask = Effect.map(sendEvent(service.url, { content: "p" }), (answer) => jsonIn(answer)["backend"])
      const stuck = yield* Effect.forkChild(ask)
      yield* eventually(() => hung.calls.length === 1)
      assert.strictEqual(yield* Fiber.join(stuck), "other")
      assert.deepStrictEqual(yield* readiness(service.url), { breaker: "open", health: "failing" })
      hung.script({})
      hung.tell({})
      assert.strictEqual(yield* ask, "other")
      yield* until(readiness(service.url), ({ breaker }) => breaker === "closed")
      assert.strictEqual(hung.calls.length, 1)
      assert.strictEqual(yield* ask, "hung")
      assert.deepStrictEqual(yield* readiness(service.url), { breaker: "closed", health: "good" })
    })
  )
})
