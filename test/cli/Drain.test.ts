import { Agent } from "node:http"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { beginningOf } from "../support/BadSteps.ts"
import { send, until } from "../support/Http.ts"
import { clientsInALoop } from "../support/Outcome.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { openStream } from "../support/StreamingClient.ts"
import { surfaces } from "../support/Surfaces.ts"
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

/** An event that every endpoint's reader finds its own in. */
const anyEvent = (token: string, finish_reason: string | null) =>
  `data: ${JSON.stringify({
    ...{ token, finish_reason },
    choices: [{ index: 0, delta: { content: token }, text: token, finish_reason }]
  })}\n\n`

describe("SIGTERM with streams open", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    /** A service with a stream open on every surface, each of which has told one token. */
    const setUp = Effect.fnUntraced(function* (graceSeconds: string) {
      const backend = yield* scriptedBackend
      const env = { AI_TICKET_SLOTS: "8", AI_TICKET_SHUTDOWN_GRACE_SECONDS: graceSeconds }
      const service = yield* start(["serve", "--port", "0", "--koboldcpp-url", backend.url], { env })
      const url = yield* service.url
      const streams = yield* Effect.forEach(surfaces, (surface) =>
        Effect.gen(function* () {
          backend.script({ [surface.endpoint]: [{ pieces: beginningOf(surface, ["so"]), after: "hang" }] })
          const client = yield* openStream(url, surface.path, surface.request)
          yield* eventually(() => surface.read(client.text()).text === "so")
          return { client, surface }
        })
      )
      service.child.kill("SIGTERM")
      yield* until(readiness(url), (seen) => seen === 503)
      return { backend, service, streams }
    })

    it.effect("lets them come to their ends", () =>
      Effect.gen(function* () {
        const { backend, service, streams } = yield* setUp("30")
        backend.feed(anyEvent(" far", null))
        backend.feed(anyEvent("", "stop"))
        yield* eventually(() => streams.every(({ client }) => client.ended()))
        for (const { client, surface } of streams) {
          assert.deepInclude(surface.read(client.text()), { text: "so far", finishReason: "stop", complete: true })
        }
        assert.strictEqual(yield* service.exited, 0)
        assert.strictEqual(backend.aborts.length, 0)
      })
    )

    it.effect("tells those that outlive the grace period, and aborts them", () =>
      Effect.gen(function* () {
        const { backend, service, streams } = yield* setUp("0.2")
        yield* eventually(() => streams.every(({ client }) => client.ended()))
        for (const { client, surface } of streams) {
          assert.deepInclude(surface.read(client.text()), { text: "so", error: "shutting_down", complete: true })
        }
        assert.strictEqual(yield* service.exited, 0)
        assert.strictEqual(service.stderr(), "")
        assert.sameMembers(
          backend.aborts.map(({ genkey }) => genkey),
          backend.calls.map(({ body }) => body["genkey"])
        )
      })
    )
  })
})
