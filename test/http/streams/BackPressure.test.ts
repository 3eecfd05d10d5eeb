import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { atRest } from "../../support/AtRest.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { startService } from "../../support/Running.ts"
import { longEvents, longText, stalledReader } from "../../support/StalledReader.ts"
import { surfaces } from "../../support/Surfaces.ts"
import { eventually } from "../../support/TestService.ts"

describe("a reader that stops reading", () => {
  for (const surface of surfaces) {
    it.live(`of ${surface.name} stops the backend, holds little, and loses its stream`, () =>
      Effect.gen(function* () {
        const service = yield* startService({
          AI_TICKET_STREAM_STALL_SECONDS: "0.3",
          AI_TICKET_STREAM_KEEP_ALIVE_SECONDS: "0.1"
        })
        const { client, watched } = yield* stalledReader(surface, service)
        let most = 0
        yield* eventually(() => {
          most = Math.max(most, watched.held())
          return watched.downstream()?.destroyed === true
        })
        assert.isBelow(most, 512 * 1024)
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
        const service = yield* startService()
        const { client } = yield* stalledReader(surface, service, { headers: { "x-request-timeout": "0.6" } })
        const { aborts, calls } = service.backend
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
        const service = yield* startService({ AI_TICKET_STREAM_STALL_SECONDS: "1.3" })
        const { watched } = yield* stalledReader(surface, service, { headers: { "x-request-timeout": "1" } })
        yield* atRest(service.context)
        assert.isFalse(watched.downstream()?.destroyed)
        yield* eventually(() => watched.downstream()?.destroyed === true)
      })
    )
  }
})
