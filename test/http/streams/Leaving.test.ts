import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { WaitingLine } from "../../../src/services/WaitingLine.ts"
import { atRest } from "../../support/AtRest.ts"
import { beginningOf } from "../../support/BadSteps.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { until } from "../../support/Http.ts"
import { Fibers, nothingLeft, runningCounted } from "../../support/LeftBehind.ts"
import { Running } from "../../support/Running.ts"
import { postRaw } from "../../support/Sse.ts"
import { openStream } from "../../support/StreamingClient.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"
import { eventually } from "../../support/TestService.ts"

/** Milliseconds within which the backend must have heard. */
const promptness = 250

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
  tokens: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
  /** Milliseconds that it stays on. */
  stays: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
})

layer(runningCounted, { excludeTestServices: true })("a client that leaves a stream", (it) => {
  for (const surface of surfaces) {
    it.effect.prop(
      `of ${surface.name} at any point stops its generation and leaves nothing behind`,
      { leaver: Leaver },
      ({ leaver: { point, stays, tokens } }) =>
        Effect.gen(function* () {
          const { backend, context, url } = yield* Running
          const line = Context.get(context, WaitingLine)
          const fibers = yield* Fibers
          const [calls, aborts] = [backend.calls.length, backend.aborts.length]
          const open = openStream(url, surface.path, surface.request)
          const called = () => backend.calls.slice(calls)
          const heard = () => backend.aborts.slice(aborts)

          /** Leaves, and the backend hears of it. */
          const leaveGeneration = Effect.fnUntraced(function* (client: Effect.Success<typeof open>) {
            yield* Effect.sleep(stays)
            assert.isAbove(fibers.running(), fibers.atRest)
            const left = performance.now()
            client.leave()
            yield* eventually(() => heard().length > 0 && called()[0]?.closedEarlyAt !== undefined)
            assert.strictEqual(heard()[0]?.genkey, called()[0]?.body["genkey"])
            assert.isBelow((heard()[0]?.at ?? Number.NaN) - left, promptness)
            assert.isBelow((called()[0]?.closedEarlyAt ?? Number.NaN) - left, promptness)
          })

          const steps = midway(surface, tokens)
          if (point === "in line") {
            backend.script({ [surface.endpoint]: [steps["after some tokens"].step] })
            const first = yield* open
            yield* eventually(() => called().length === 1)
            const second = yield* open
            yield* until(line.waiting, (waiting) => waiting === 1)
            yield* Effect.sleep(stays)
            second.leave()
            yield* until(line.waiting, (waiting) => waiting === 0)
            assert.isFalse(first.broken())
            yield* leaveGeneration(first)
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
            yield* leaveGeneration(client)
          }
          yield* atRest(context)
          assert.deepStrictEqual([called().length, heard().length], [1, point === "at the end" ? 0 : 1])
          yield* assertAsBefore(surface)
        }).pipe(Effect.scoped),
      { timeout: 20_000, arbitrary: { runs: 25 } }
    )
  }
})
