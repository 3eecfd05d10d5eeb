import { Agent } from "node:http"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { send, until } from "../support/Http.ts"
import { clientsInALoop } from "../support/Outcome.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually } from "../support/TestService.ts"
import { Program, start } from "./Program.ts"

/** What `/ready` says, or that nobody says anything any more. */
const readiness = (url: string) =>
  Effect.match(Effect.sandbox(send(url, { path: "/ready" })), {
    onFailure: () => "gone" as const,
    onSuccess: ({ status }) => status
  })

const distinct = <A>(values: ReadonlyArray<A>) => [...new Set(values)]

describe("SIGTERM under load", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect(
      "costs nobody an answer: readiness turns first, each client is told to go, then the listener is gone",
      () =>
        Effect.gen(function* () {
          const backend = yield* scriptedBackend
          const settings = { AI_TICKET_SLOTS: "4", AI_TICKET_QUEUE_LIMIT: "100", RATE_LIMIT_REQUESTS: "0" }
          const service = yield* start(["serve", "--port", "0", "--koboldcpp-url", backend.url], { env: settings })
          const url = yield* service.url
          const agent = yield* Effect.acquireRelease(
            Effect.sync(() => new Agent({ keepAlive: true })),
            (pool) => Effect.sync(() => pool.destroy())
          )

          const outcomes: Array<string> = []
          const clients = yield* Effect.forkScoped(clientsInALoop(url, agent, 20, outcomes))
          const probes: Array<number | "gone"> = []
          const probing = readiness(url).pipe(
            Effect.tap((probe) => Effect.sync(() => probes.push(probe))),
            (probe) => until(probe, (seen) => seen === "gone")
          )
          const prober = yield* Effect.forkScoped(probing)
          yield* eventually(() => outcomes.length > 100 && probes.length > 0)

          service.child.kill("SIGTERM")
          yield* Fiber.join(clients)
          yield* Fiber.join(prober)
          assert.strictEqual(yield* service.exited, 0)
          assert.strictEqual(service.stderr(), "")

          assert.deepStrictEqual(distinct(probes), [200, 503, "gone"])
          assert.strictEqual(outcomes.filter((outcome) => outcome === "503 shutting_down").length, 20)
          assert.sameMembers(distinct(outcomes), ["200", "503 shutting_down"])
          // All that was begun at the backend was heard to its end.
          assert.strictEqual(backend.calls.length, outcomes.length - 20)
          assert.strictEqual(backend.answered(), backend.calls.length)
          assert.strictEqual(backend.aborts.length, 0)
        })
    )
  })
})
