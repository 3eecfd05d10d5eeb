import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { eventuallyLive } from "../../../support/Eventually.ts"
import { koboldCppAt } from "../../../support/KoboldCppHarness.ts"
import { type Step, scriptedBackend } from "../../../support/ScriptedBackend.ts"

const modelsOf = Effect.fnUntraced(function* (step: Step) {
  const server = yield* scriptedBackend
  server.script({ models: [step] })
  const { backend } = yield* koboldCppAt(server.url, { AI_TICKET_KOBOLDCPP_API_KEY: "a-password" })
  return { server, models: backend.models }
})

describe("the models of KoboldCpp", () => {
  it.live("are read with what they tell", () =>
    Effect.gen(function* () {
      const { models, server } = yield* modelsOf({})
      assert.deepStrictEqual(yield* models, [{ id: "koboldcpp/scripted", created: 1, ownedBy: "koboldcpp" }])
      assert.strictEqual(server.lookups[0]?.headers["authorization"], "Bearer a-password")
    })
  )

  it.live("need no more than a name", () =>
    Effect.gen(function* () {
      const { models } = yield* modelsOf({ body: { data: [{ id: "m", created: "now", owned_by: null }, { id: "n" }] } })
      assert.deepStrictEqual(yield* models, [{ id: "m" }, { id: "n" }])
    })
  )

  it.live("are an error where there is no such answer", () =>
    Effect.gen(function* () {
      for (const [step, code] of [
        [{ status: 404 }, "api_client_error"],
        [{ status: 401 }, "api_authentication_error"],
        [{ status: 503 }, "api_server_error"],
        [{ reset: true }, "api_connection_error"],
        [{ raw: "<html>" }, "api_response_format_error"],
        [{ body: { data: [{ id: 1 }] } }, "api_response_structure_error"]
      ] as const) {
        const { models } = yield* modelsOf(step)
        const error = yield* Effect.flip(models)
        assert.deepStrictEqual([error.code, error.endpoint], [code, "models"])
      }
    })
  )

  it.effect("are not waited for longer than two seconds", () =>
    Effect.gen(function* () {
      const { models, server } = yield* modelsOf({ hang: true })
      const asked = yield* Effect.forkScoped(Effect.flip(models))
      yield* eventuallyLive(() => server.lookups.length === 1)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(asked)).reason, "no answer within 2 seconds")
      yield* eventuallyLive(() => server.lookups[0]?.closedEarlyAt !== undefined)
    })
  )
})
