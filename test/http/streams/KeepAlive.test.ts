import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beginningOf } from "../../support/BadSteps.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { Running, running } from "../../support/Running.ts"
import { postRaw } from "../../support/Sse.ts"
import { openStream } from "../../support/StreamingClient.ts"
import { surfaces } from "../../support/Surfaces.ts"
import { eventually } from "../../support/TestService.ts"

const comment = ": keep-alive\n\n"

layer(running({ AI_TICKET_STREAM_KEEP_ALIVE_SECONDS: "0.1" }), { excludeTestServices: true })(
  "a silent stream",
  (it) => {
    for (const surface of surfaces) {
      it.effect(`of ${surface.name} gets comments between its events, which its clients pass over`, () =>
        Effect.gen(function* () {
          const { backend, url } = yield* Running
          backend.script({ [surface.endpoint]: [{ pieces: beginningOf(surface, ["so"]), after: "hang" }] })
          const client = yield* openStream(url, surface.path, surface.request)
          yield* eventually(() => client.text().endsWith(comment.repeat(2)))
          assert.deepInclude(surface.read(client.text()), { text: "so", complete: false })
          for (const piece of dialectStream("1.104", surface.endpoint, [" far", " good"])) backend.feed(piece)
          yield* eventually(client.ended)
          assert.strictEqual(
            surface.masked(client.text().replaceAll(comment, "")),
            surface.whole(["so", " far", " good"])
          )
        })
      )

      it.effect(`of ${surface.name} gets none before its first token: it may still become an error`, () =>
        Effect.gen(function* () {
          const { backend, url } = yield* Running
          backend.script({ [surface.endpoint]: [{ pieces: beginningOf(surface, [" "]), after: "hang" }] })
          const answer = yield* postRaw(url, surface.path, surface.request, { "x-request-timeout": "0.25" })
          assert.strictEqual(answer.status, 504)
          assert.strictEqual(surface.codeIn(answer.text), "deadline_exceeded")
        })
      )
    }
  }
)
