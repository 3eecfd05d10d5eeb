import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { beginningOf } from "../../support/BadSteps.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { scriptedBackend } from "../../support/ScriptedBackend.ts"
import { stalledReader } from "../../support/StalledReader.ts"
import { openStream } from "../../support/StreamingClient.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"
import { eventually, postEvent, testService } from "../../support/TestService.ts"

/** A service whose scope the test closes itself, as a signal would. */
const setUp = Effect.fnUntraced(function* (settings: Record<string, string> = {}) {
  const backend = yield* scriptedBackend
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const { url } = yield* Scope.provide(testService({ KOBOLDCPP_API_URL: backend.url, ...settings }), scope)
  const stop = Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
  return { backend, stop, url }
})

/** The client of a stream that has told one token, and goes on. */
const begun = Effect.fnUntraced(function* (
  surface: Surface,
  { backend, url }: Pick<Effect.Success<ReturnType<typeof setUp>>, "backend" | "url">
) {
  backend.script({ [surface.endpoint]: [{ pieces: beginningOf(surface, ["so"]), after: "hang" }] })
  const client = yield* openStream(url, surface.path, surface.request)
  yield* eventually(() => surface.read(client.text()).text === "so")
  return client
})

const shortGrace = { AI_TICKET_SHUTDOWN_GRACE_SECONDS: "0.1" }

describe("draining", () => {
  for (const surface of surfaces) {
    it.live(`lets a stream of ${surface.name} come to its end, while new work is refused`, () =>
      Effect.gen(function* () {
        const { backend, stop, url } = yield* setUp()
        const client = yield* begun(surface, { backend, url })
        const stopping = yield* stop
        const late = yield* postEvent(url, { content: "late", stream: true })
        assert.strictEqual(late.status, 503)
        for (const piece of dialectStream("1.104", surface.endpoint, [" far", " good"])) backend.feed(piece)
        yield* eventually(client.ended)
        assert.strictEqual(surface.masked(client.text()), surface.whole(["so", " far", " good"]))
        yield* Fiber.join(stopping)
        assert.strictEqual(backend.aborts.length, 0)
      })
    )

    it.live(`tells a stream of ${surface.name} that outlives the grace period, and aborts it`, () =>
      Effect.gen(function* () {
        const { backend, stop, url } = yield* setUp(shortGrace)
        const client = yield* begun(surface, { backend, url })
        yield* Fiber.join(yield* stop)
        yield* eventually(client.ended)
        const told = { text: "so", finishReason: undefined, error: "shutting_down", complete: true } as const
        assert.deepStrictEqual(surface.read(client.text()), told)
        assert.deepStrictEqual(
          backend.aborts.map(({ genkey }) => genkey),
          backend.calls.map(({ body }) => body["genkey"])
        )
      })
    )

    it.live(`isn't held up by a reader of ${surface.name} that has stopped reading`, () =>
      Effect.gen(function* () {
        const { backend, stop, url } = yield* setUp(shortGrace)
        yield* stalledReader(surface, { backend, url })
        yield* Fiber.join(yield* stop)
        assert.strictEqual(backend.aborts.length, 1)
      })
    )
  }
})
