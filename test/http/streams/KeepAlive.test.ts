import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beginningOf } from "../../support/BadSteps.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { until } from "../../support/Http.ts"
import { startService } from "../../support/Running.ts"
import { standingClock } from "../../support/StandingClock.ts"
import { openStream } from "../../support/StreamingClient.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"
import { eventually } from "../../support/TestService.ts"

const comment = ": keep-alive\n\n"

/** The client of a stream that has told these texts and then keeps silent, for as long as the test says. */
const silentAfter = Effect.fnUntraced(function* (
  surface: Surface,
  texts: ReadonlyArray<string>,
  headers: Readonly<Record<string, string>> = {}
) {
  const { pass, seen } = yield* standingClock
  const { backend, url } = yield* seen(startService())
  const pieces = beginningOf(surface, texts)
  backend.script({ [surface.endpoint]: [{ pieces, after: "hang" }] })
  const client = yield* openStream(url, surface.path, surface.request, { headers })
  yield* eventually(() => backend.calls[0]?.sent === pieces.length)
  return { backend, client, pass }
})

describe("a silent stream", () => {
  for (const surface of surfaces) {
    it.live(`of ${surface.name} gets a comment every 15 seconds, which its clients pass over`, () =>
      Effect.gen(function* () {
        const { backend, client, pass } = yield* silentAfter(surface, ["so"])
        yield* eventually(() => surface.read(client.text()).text === "so")
        const begun = client.text()
        yield* pass("14 seconds")
        yield* pass("1 second")
        yield* eventually(() => client.text().endsWith(comment))
        assert.strictEqual(client.text(), begun + comment)
        yield* pass("14 seconds")
        yield* pass("1 second")
        yield* eventually(() => client.text().endsWith(comment.repeat(2)))
        assert.strictEqual(client.text(), begun + comment.repeat(2))
        assert.deepInclude(surface.read(client.text()), { text: "so", complete: false })
        for (const piece of dialectStream("1.104", surface.endpoint, [" far", " good"])) backend.feed(piece)
        // KoboldCpp's own stream has no mark behind its reason: its end is waited for.
        yield* until(pass("1 second"), client.ended)
        assert.strictEqual(
          surface.masked(client.text().replaceAll(comment, "")),
          surface.whole(["so", " far", " good"])
        )
      })
    )

    it.live(`of ${surface.name} gets none before its first token: it may still become an error`, () =>
      Effect.gen(function* () {
        const { client, pass } = yield* silentAfter(surface, [" "], { "x-request-timeout": "40" })
        yield* pass("20 seconds")
        assert.strictEqual(client.status(), undefined)
        yield* pass("20 seconds")
        yield* eventually(client.ended)
        assert.strictEqual(client.status(), 504)
        assert.strictEqual(surface.codeIn(client.text()), "deadline_exceeded")
      })
    )
  }
})
