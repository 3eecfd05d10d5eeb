import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { atRest } from "../../support/AtRest.ts"
import { leaverFields, makeLeaver } from "../../support/Leaver.ts"
import { runningCounted } from "../../support/LeftBehind.ts"
import { Running } from "../../support/Running.ts"
import { eventually } from "../../support/TestService.ts"
import { wholeSurfaces } from "../../support/WholeSurfaces.ts"
import { assertAsBefore } from "./AsBefore.ts"

const points = ["in line", "before the head", "after the head", "midway", "at the end"] as const

const Leaver = Schema.Struct({
  point: Schema.Literals(points),
  ...leaverFields
})

layer(runningCounted, { excludeTestServices: true })("a client that leaves an answer that comes whole", (it) => {
  for (const surface of wholeSurfaces) {
    it.effect.prop(
      `of ${surface.name} at any point stops its generation and leaves nothing behind`,
      { leaver: Leaver },
      ({ leaver: { point, stays, tokens } }) =>
        Effect.gen(function* () {
          const { backend, context } = yield* Running
          const { called, heard, leave, leaveLine, open } = yield* makeLeaver(surface, stays)
          const texts = Array.from({ length: tokens }, (_, at) => ` ${at}`)
          if (point === "in line") {
            backend.script({ [surface.endpoint]: [surface.midway(texts)] })
            yield* leave(yield* leaveLine)
          } else if (point === "at the end") {
            backend.script({})
            const client = yield* open
            yield* eventually(client.ended)
            client.leave()
          } else {
            const step = { "before the head": { hang: true }, "after the head": surface.midway([]) }
            backend.script({ [surface.endpoint]: [point === "midway" ? surface.midway(texts) : step[point]] })
            const client = yield* open
            yield* eventually(() => called().length === 1)
            if (point === "midway" && surface.endpoint === "generate")
              yield* eventually(() => called()[0]?.sent === tokens)
            yield* leave(client)
          }
          yield* atRest(context)
          assert.deepStrictEqual([called().length, heard().length], [1, point === "at the end" ? 0 : 1])
          yield* assertAsBefore(surface)
        }).pipe(Effect.scoped),
      { timeout: 20_000, arbitrary: { runs: 15 } }
    )
  }
})
