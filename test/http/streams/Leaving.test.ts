import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { atRest } from "../../support/AtRest.ts"
import { beginningOf } from "../../support/BadSteps.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { leaverFields, makeLeaver } from "../../support/Leaver.ts"
import { nothingLeft, runningCounted } from "../../support/LeftBehind.ts"
import { Running } from "../../support/Running.ts"
import { postRaw } from "../../support/Sse.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"
import { eventually } from "../../support/TestService.ts"

/** Nothing is left behind, and the next one is served as if nothing had happened. */
const assertAsBefore = Effect.fnUntraced(function* (surface: Surface) {
  const { backend, url } = yield* Running
  yield* nothingLeft
  const texts = ["still", " there"]
  backend.script({ [surface.endpoint]: [{ pieces: dialectStream("1.104", surface.endpoint, texts) }] })
  const { text } = yield* postRaw(url, surface.path, surface.request)
  assert.strictEqual(surface.masked(text), surface.whole(texts))
  yield* nothingLeft
})

/** Steps of the backend that a client can leave in the middle of, and when the client is there. */
const midway = (surface: Surface, tokens: number) => {
  const texts = Array.from({ length: tokens }, (_, at) => ` ${at}`)
  return {
    "before the head": { step: { hang: true }, text: "" },
    "before the first token": { step: { pieces: [": ping\n\n"], after: "hang" }, text: "" },
    "after some white space": { step: { pieces: beginningOf(surface, [" ", "\n"]), after: "hang" }, text: "" },
    "after some tokens": { step: { pieces: beginningOf(surface, texts), after: "hang" }, text: texts.join("") }
  } as const
}

const points = [
  "in line",
  "before the head",
  "before the first token",
  "after some white space",
  "after some tokens",
  "at the end"
] as const

const Leaver = Schema.Struct({
  point: Schema.Literals(points),
  ...leaverFields
})

layer(runningCounted, { excludeTestServices: true })("a client that leaves a stream", (it) => {
  for (const surface of surfaces) {
    it.effect.prop(
      `of ${surface.name} at any point stops its generation and leaves nothing behind`,
      { leaver: Leaver },
      ({ leaver: { point, stays, tokens } }) =>
        Effect.gen(function* () {
          const { backend, context } = yield* Running
          const { called, heard, leave, leaveLine, open } = yield* makeLeaver(surface, stays)
          const steps = midway(surface, tokens)
          if (point === "in line") {
            backend.script({ [surface.endpoint]: [steps["after some tokens"].step] })
            yield* leave(yield* leaveLine)
          } else if (point === "at the end") {
            backend.script({ [surface.endpoint]: [{ pieces: dialectStream("1.76", surface.endpoint, ["all"]) }] })
            const client = yield* open
            yield* eventually(() => surface.read(client.text()).complete)
            client.leave()
          } else {
            const { step, text } = steps[point]
            backend.script({ [surface.endpoint]: [step] })
            const client = yield* open
            yield* eventually(() => called().length === 1 && surface.read(client.text()).text === text)
            yield* leave(client)
          }
          yield* atRest(context)
          assert.deepStrictEqual([called().length, heard().length], [1, point === "at the end" ? 0 : 1])
          yield* assertAsBefore(surface)
        }).pipe(Effect.scoped),
      { timeout: 20_000, arbitrary: { runs: 25 } }
    )
  }
})
