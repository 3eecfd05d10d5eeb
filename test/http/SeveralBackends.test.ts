import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { closedPort } from "../support/RawBackend.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, jsonOf, postEvent, testService } from "../support/TestService.ts"

const two = (settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const [one, other] = [yield* scriptedBackend, yield* scriptedBackend]
    const service = yield* testService({ KOBOLDCPP_API_URL: `${one.url},${other.url}`, ...settings })
    return { one, other, service, ask: postEvent(service.url, { content: "p" }) }
  })

describe("a service with two backends", () => {
  it.live("gives each its share at the same time", () =>
    Effect.gen(function* () {
      const { ask, one, other } = yield* two()
      for (const backend of [one, other]) backend.script({ chat: [{ hang: true }] })
      const answers = yield* Effect.forkChild(Effect.all([ask, ask], { concurrency: 2 }))
      yield* eventually(() => one.calls.length === 1 && other.calls.length === 1)
      for (const backend of [one, other]) backend.release()
      const bodies = yield* Effect.flatMap(Fiber.join(answers), (all) => Effect.forEach(all, jsonOf))
      assert.deepStrictEqual(new Set(bodies.map((body) => body["backend"])), new Set(["koboldcpp", "koboldcpp-2"]))
    })
  )

  it.live("answers from the other one when one refuses connections", () =>
    Effect.gen(function* () {
      const other = yield* scriptedBackend
      const service = yield* testService({ KOBOLDCPP_API_URL: `${yield* closedPort},${other.url}` })
      for (let at = 0; at < 3; at++) {
        const body = yield* jsonOf(yield* postEvent(service.url, { content: "p" }))
        assert.strictEqual(body["backend"], "koboldcpp-2")
      }
      const ready = yield* Effect.promise(() => fetch(`${service.url}/ready`))
      assert.strictEqual(ready.status, 200)
      assert.deepStrictEqual(
        ((yield* jsonOf(ready))["backends"] as ReadonlyArray<{ state: string }>).map(({ state }) => state),
        ["down", "up"]
      )
    })
  )
})
