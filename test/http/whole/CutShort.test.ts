import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { errorCatalogue } from "../../../src/domain/ErrorCatalogue.ts"
import { WaitingLine } from "../../../src/services/WaitingLine.ts"
import { atRest } from "../../support/AtRest.ts"
import { cuts, withoutGrace } from "../../support/Cuts.ts"
import { until } from "../../support/Http.ts"
import { startService } from "../../support/Running.ts"
import type { Step } from "../../support/ScriptedBackend.ts"
import { openStream } from "../../support/StreamingClient.ts"
import { eventually } from "../../support/TestService.ts"
import { type WholeSurface, wholeSurfaces } from "../../support/WholeSurfaces.ts"

/** Milliseconds within which the backend must have heard. */
const promptness = 250

const phases = ["in line", "before the head", "midway"] as const

const stepAt = (phase: (typeof phases)[number], surface: WholeSurface): Step =>
  phase === "midway" ? surface.midway(["so", " far"]) : { hang: true }

describe("an answer that comes whole and is cut short", () => {
  for (const surface of wholeSurfaces) {
    for (const { by, code, cut } of cuts) {
      for (const phase of phases) {
        it.live(`${phase} by ${by} is ${code} to ${surface.name}, and the backend hears of it at once`, () =>
          Effect.gen(function* () {
            const service = yield* startService(withoutGrace)
            const { backend, context, url } = service
            const line = Context.get(context, WaitingLine)
            backend.script({ [surface.endpoint]: [stepAt(phase, surface)] })
            const open = (id: string) =>
              openStream(url, surface.path, surface.request, { headers: { "x-request-id": id } })
            const inFront = phase === "in line" ? yield* open("in-front") : undefined
            if (inFront !== undefined) yield* eventually(() => backend.calls.length === 1)
            const client = yield* open("mine")
            if (inFront !== undefined) yield* until(line.waiting, (waiting) => waiting === 1)
            yield* eventually(() => backend.calls.length === 1)

            const start = performance.now()
            yield* cut(service, "mine")
            yield* eventually(client.ended)
            assert.strictEqual(client.status(), errorCatalogue[code].status)
            assert.strictEqual(surface.codeIn(client.text()), code)
            inFront?.leave()
            yield* eventually(() => backend.aborts.length > 0)
            yield* atRest(context)
            assert.deepStrictEqual(
              backend.aborts.map(({ genkey }) => genkey),
              backend.calls.map(({ body }) => body["genkey"])
            )
            assert.isBelow((backend.aborts[0]?.at ?? Number.NaN) - start, promptness)
          })
        )
      }
    }
  }
})
