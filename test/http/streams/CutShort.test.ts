import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { errorCatalogue } from "../../../src/domain/ErrorCatalogue.ts"
import { Metrics } from "../../../src/services/Metrics.ts"
import { WaitingLine } from "../../../src/services/WaitingLine.ts"
import { atRest } from "../../support/AtRest.ts"
import { beginningOf } from "../../support/BadSteps.ts"
import { cuts, withoutGrace } from "../../support/Cuts.ts"
import { until } from "../../support/Http.ts"
import { parseMetrics, sampleValue } from "../../support/Prometheus.ts"
import { type Running, startService } from "../../support/Running.ts"
import type { Step } from "../../support/ScriptedBackend.ts"
import { openStream } from "../../support/StreamingClient.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"
import { eventually } from "../../support/TestService.ts"

/** Milliseconds within which the backend must have heard. */
const promptness = 250

type Service = Running["Service"]

const text = "so far"
const phases = ["in line", "before the head", "before the first token", "after white space", "midway"] as const

const stepAt = (phase: (typeof phases)[number], surface: Surface): Step => {
  if (phase === "before the head") return { hang: true, generated: "" }
  const texts = { "in line": [], "before the first token": [], "after white space": [" "], midway: ["so", " far"] }
  return { pieces: [": ping\n\n", ...beginningOf(surface, texts[phase])], after: "hang", generated: `${text} and on` }
}

const tokens = ({ context }: Service) =>
  Effect.map(Context.get(context, Metrics).render, (page) =>
    ["delivered", "wasted"].map(
      (fate) => sampleValue(parseMetrics(page), "ai_ticket_generated_tokens_total", { backend: "koboldcpp", fate }) ?? 0
    )
  )

describe("a stream that is cut short", () => {
  for (const surface of surfaces) {
    for (const { by, code, cut } of cuts) {
      for (const phase of phases) {
        it.live(`${phase} by ${by} tells ${code} to ${surface.name}, and the backend hears of it at once`, () =>
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
            if (phase === "midway") yield* eventually(() => surface.read(client.text()).text === text)

            const start = performance.now()
            yield* cut(service, "mine")
            yield* eventually(client.ended)
            if (phase === "midway") {
              assert.deepStrictEqual(surface.read(client.text()), {
                ...{ text, finishReason: undefined, error: code, complete: true }
              })
            } else {
              assert.strictEqual(client.status(), errorCatalogue[code].status)
              assert.strictEqual(surface.codeIn(client.text()), code)
            }
            inFront?.leave()
            yield* eventually(() => backend.aborts.length > 0)
            yield* atRest(context)
            assert.deepStrictEqual(
              backend.aborts.map(({ genkey }) => genkey),
              backend.calls.map(({ body }) => body["genkey"])
            )
            assert.isBelow((backend.aborts[0]?.at ?? Number.NaN) - start, promptness)
            if (phase === "midway") assert.deepStrictEqual(yield* tokens(service), [2, 2])
          })
        )
      }
    }
  }
})
