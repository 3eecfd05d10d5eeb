import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { WaitingLine } from "../../../src/services/WaitingLine.ts"
import { atRest } from "../../support/AtRest.ts"
import { until } from "../../support/Http.ts"
import { Fibers, runningCounted } from "../../support/LeftBehind.ts"
import { Running } from "../../support/Running.ts"
import { openStream } from "../../support/StreamingClient.ts"
import { eventually } from "../../support/TestService.ts"
import { wholeSurfaces } from "../../support/WholeSurfaces.ts"
import { assertAsBefore } from "./AsBefore.ts"

/** Milliseconds within which the backend must have heard. */
const promptness = 250

const points = ["in line", "before the head", "after the head", "midway", "at the end"] as const

const Leaver = Schema.Struct({
  point: Schema.Literals(points),
  tokens: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
  /** Milliseconds that it stays on. */
  stays: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))
})

layer(runningCounted, { excludeTestServices: true })("a client that leaves an answer that comes whole", (it) => {
  for (const surface of wholeSurfaces) {
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
          const texts = Array.from({ length: tokens }, (_, at) => ` ${at}`)

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

          if (point === "in line") {
            backend.script({ [surface.endpoint]: [surface.midway(texts)] })
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
            yield* leaveGeneration(client)
          }
          yield* atRest(context)
          assert.deepStrictEqual([called().length, heard().length], [1, point === "at the end" ? 0 : 1])
          yield* assertAsBefore(surface)
        }).pipe(Effect.scoped),
      { timeout: 20_000, arbitrary: { runs: 15 } }
    )
  }
})
