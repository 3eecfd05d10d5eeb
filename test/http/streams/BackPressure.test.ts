import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { atRest } from "../../support/AtRest.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { startService } from "../../support/Running.ts"
import { settled } from "../../support/Settled.ts"
import { longEvents, longText, stalledReader } from "../../support/StalledReader.ts"
import { standingClock } from "../../support/StandingClock.ts"
import { surfaces } from "../../support/Surfaces.ts"
import { eventually } from "../../support/TestService.ts"

const stallSeconds = 60

/** A service whose time passes when the test says so. */
const serviceThatWaits = Effect.gen(function* () {
  const { pass, seen } = yield* standingClock
  return { pass, ...(yield* seen(startService({ AI_TICKET_STREAM_STALL_SECONDS: String(stallSeconds) }))) }
})

describe("a reader that stops reading", () => {
  for (const surface of surfaces) {
    it.live(`of ${surface.name} stops the backend, holds little, and loses its stream`, () =>
      Effect.gen(function* () {
        const { pass, ...service } = yield* serviceThatWaits
        const { client, watched } = yield* stalledReader(surface, service)
        assert.isBelow(yield* settled(watched.held), 512 * 1024)
        // In steps, as comments would come.
        for (let waited = 15; waited < stallSeconds; waited += 15) yield* pass("15 seconds")
        assert.isFalse(watched.downstream()?.destroyed)
        assert.isBelow(watched.held(), 512 * 1024)
        yield* pass("15 seconds")
        yield* eventually(() => watched.downstream()?.destroyed === true)
        const { aborts, calls } = service.backend
        // What the kernel takes in on the way, and no more.
        assert.isBelow((calls[0]?.sent ?? Number.NaN) * longText(0).length, 64 * 1024 * 1024)
        yield* eventually(() => aborts.length === 1 && calls[0]?.closedEarlyAt !== undefined)
        assert.strictEqual(aborts[0]?.genkey, calls[0]?.body["genkey"])
        yield* atRest(service.context)
        // It finds that out when it reads what was under way.
        client.read()
        yield* eventually(client.broken)
        // No comments either: they would have waited behind the rest.
        assert.notInclude(client.text(), ": keep-alive")
      })
    )

    it.live(`of ${surface.name} has all of it in order when it reads on`, () =>
      Effect.gen(function* () {
        const service = yield* startService()
        const count = 1500
        const [, end = ""] = dialectStream("1.104", surface.endpoint, ["", ""])
        const { client } = yield* stalledReader(surface, service, { step: { pieces: longEvents(surface, count, end) } })
        client.read()
        yield* eventually(client.ended)
        const read = surface.read(client.text())
        const text = Array.from({ length: count }, (_, at) => longText(at)).join("")
        assert.isTrue(read.text === text, "the text is what was sent")
        assert.deepInclude(read, { finishReason: "stop", error: undefined, complete: true })
        yield* atRest(service.context)
      })
    )

    it.live(`of ${surface.name} uses up its time like any other, and is told if it reads on`, () =>
      Effect.gen(function* () {
        const { pass, ...service } = yield* serviceThatWaits
        const { client } = yield* stalledReader(surface, service, { headers: { "x-request-timeout": "20" } })
        const { aborts, calls } = service.backend
        yield* pass("20 seconds")
        yield* eventually(() => aborts.length === 1)
        assert.strictEqual(aborts[0]?.genkey, calls[0]?.body["genkey"])
        yield* atRest(service.context)
        client.read()
        yield* eventually(client.ended)
        assert.deepInclude(surface.read(client.text()), { error: "deadline_exceeded", complete: true })
      })
    )

    it.live(`of ${surface.name} loses its connection after a failure, too, but its slot before`, () =>
      Effect.gen(function* () {
        const { pass, ...service } = yield* serviceThatWaits
        const { watched } = yield* stalledReader(surface, service, { headers: { "x-request-timeout": "20" } })
        yield* pass("20 seconds")
        yield* atRest(service.context)
        yield* pass(`${stallSeconds - 1} seconds`)
        assert.isFalse(watched.downstream()?.destroyed)
        yield* pass("1 second")
        yield* eventually(() => watched.downstream()?.destroyed === true)
      })
    )
  }
})
