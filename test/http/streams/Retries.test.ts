import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { atRest } from "../../support/AtRest.ts"
import { badSteps, beginningOf } from "../../support/BadSteps.ts"
import { dialectStream } from "../../support/DialectStream.ts"
import { Running, running } from "../../support/Running.ts"
import type { EndpointName, Step } from "../../support/ScriptedBackend.ts"
import { postRaw } from "../../support/Sse.ts"
import { type Surface, surfaces } from "../../support/Surfaces.ts"

const texts = ["all", " of", " it"]

const wholeFrom = (endpoint: Surface["endpoint"]): Step => ({ pieces: dialectStream("1.104", endpoint, texts) })

const ask = Effect.fnUntraced(function* (surface: Surface, script: Partial<Record<EndpointName, ReadonlyArray<Step>>>) {
  const { backend, context, url } = yield* Running
  backend.script(script)
  const [calls, aborts] = [backend.calls.length, backend.aborts.length]
  const { status, text } = yield* postRaw(url, surface.path, surface.request)
  yield* atRest(context)
  return {
    status,
    text,
    endpoints: backend.calls.slice(calls).map(({ endpoint }) => endpoint),
    genkeys: backend.calls.slice(calls).map(({ body }) => body["genkey"]),
    aborted: backend.aborts.slice(aborts).map(({ genkey }) => genkey)
  }
})

/** What is repeated at the same endpoint, and whether the attempt is aborted before the next. */
const repeated: ReadonlyArray<readonly [string, (surface: Surface) => Step, "aborted" | "over"]> = [
  ["a 503", () => ({ status: 503 }), "over"],
  ["a connection closed at once", () => ({ reset: true }), "over"],
  ["a reset before the first token", () => ({ pieces: [], after: "reset" }), "aborted"],
  ["an end before the first token", () => ({ pieces: [] }), "aborted"],
  [
    "a reset after nothing but white space",
    (surface) => ({ pieces: beginningOf(surface, [" ", "\n"]), after: "reset" }),
    "aborted"
  ],
  ["an error told before the first token", () => ({ pieces: ['data: {"error": "busy"}\n\n'] }), "aborted"]
]

layer(running(), { excludeTestServices: true })("a stream", (it) => {
  for (const surface of surfaces) {
    for (const [what, step, leaves] of repeated) {
      it.effect(`of ${surface.name} comes through ${what}`, () =>
        Effect.gen(function* () {
          const { aborted, endpoints, genkeys, text } = yield* ask(surface, {
            [surface.endpoint]: [step(surface), wholeFrom(surface.endpoint)]
          })
          assert.strictEqual(surface.masked(text), surface.whole(texts))
          assert.deepStrictEqual(endpoints, [surface.endpoint, surface.endpoint])
          assert.strictEqual(new Set(genkeys).size, 2)
          assert.deepStrictEqual(aborted, leaves === "aborted" ? genkeys.slice(0, 1) : [])
        })
      )
    }

    const odd: ReadonlyArray<readonly [string, Step]> = [
      ["what isn't JSON", { raw: "<html>" }],
      ["an event that isn't JSON", { pieces: ["data: {\n\n"], after: "hang" }],
      ["an event of another shape", { pieces: ['data: {"choices": "none"}\n\n'], after: "hang" }],
      ["no such endpoint", { status: 404 }]
    ]
    for (const [what, step] of odd) {
      const { endpoint, fallback } = surface
      it.effect(`of ${surface.name} ${fallback === undefined ? "ends" : `goes to the next endpoint`} at ${what}`, () =>
        Effect.gen(function* () {
          const script = {
            [endpoint]: [step],
            ...(fallback === undefined ? {} : { [fallback]: [wholeFrom(fallback)] })
          }
          const { aborted, endpoints, genkeys, status, text } = yield* ask(surface, script)
          assert.deepStrictEqual(endpoints, fallback === undefined ? [endpoint] : [endpoint, fallback])
          if (fallback === undefined) assert.strictEqual(status, 502)
          else assert.strictEqual(surface.masked(text), surface.whole(texts))
          assert.deepStrictEqual(aborted, step.after === "hang" ? genkeys.slice(0, 1) : [])
        })
      )
    }

    for (const { code, name, step } of badSteps) {
      it.effect(`of ${surface.name} that ${name} after a token is not begun anew`, () =>
        Effect.gen(function* () {
          const { endpoints, text } = yield* ask(surface, {
            [surface.endpoint]: [step(surface, ["so", " far"]), wholeFrom(surface.endpoint)]
          })
          assert.deepInclude(surface.read(text), { text: "so far", error: code })
          assert.deepStrictEqual(endpoints, [surface.endpoint])
        })
      )
    }
  }
})
