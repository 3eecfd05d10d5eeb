import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../../src/services/Settings.ts"
import { readOtelSettings } from "../../src/services/telemetry/OtelSettings.ts"
import * as Sdk from "../../src/services/telemetry/Sdk.ts"
import { Tracing } from "../../src/services/telemetry/Tracing.ts"

/** An id that is the same in each run, and as evenly spread as random ones. */
const traceIdOf = (at: number) => createHash("sha256").update(String(at)).digest("hex").slice(0, 32)

/** Which of 1000 requests are traced: those that came without a trace, or with one that somebody does or doesn't record. */
const traced = Effect.fnUntraced(function* (sampler: Readonly<Record<string, string>>, flags?: "00" | "01") {
  const settings = yield* Effect.provide(
    readOtelSettings,
    Settings.layerRecord({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:9", ...sampler })
  )
  const context = yield* Layer.build(Sdk.layer(settings ?? assert.fail("nothing is to be exported")))
  const tracing = Context.get(context, Tracing) ?? assert.fail("there are no traces")
  const clock = yield* Clock.Clock
  const ids = Array.from({ length: 1000 }, (_, at) => traceIdOf(at))
  return ids.filter((traceId) => {
    const headers = flags === undefined ? {} : { traceparent: `00-${traceId}-b7ad6b7169203331-${flags}` }
    return tracing.begin(headers, { name: () => "r", clock, traceId }).sampled
  }).length
})

describe("the sampler", () => {
  const all = 1000
  const samplers: ReadonlyArray<
    readonly [name: string | undefined, own: number, unrecorded: number, recorded: number]
  > = [
    [undefined, all, 0, all],
    ["parentbased_always_on", all, 0, all],
    ["parentbased_always_off", 0, 0, all],
    ["always_on", all, all, all],
    ["always_off", 0, 0, 0]
  ]
  for (const [name, own, unrecorded, recorded] of samplers) {
    it.effect(`${name ?? "that is not named"} takes ${own} of our traces, and does or doesn't go by the caller's`, () =>
      Effect.gen(function* () {
        const variables = name === undefined ? {} : { OTEL_TRACES_SAMPLER: name }
        const counts = [yield* traced(variables), yield* traced(variables, "00"), yield* traced(variables, "01")]
        assert.deepStrictEqual(counts, [own, unrecorded, recorded])
      })
    )
  }

  it.effect("takes the share that it is told to", () =>
    Effect.gen(function* () {
      const share = { OTEL_TRACES_SAMPLER_ARG: "0.1" }
      const alone = { ...share, OTEL_TRACES_SAMPLER: "traceidratio" }
      const byParent = { ...share, OTEL_TRACES_SAMPLER: "parentbased_traceidratio" }
      for (const count of [yield* traced(alone), yield* traced(alone, "01"), yield* traced(byParent)]) {
        assert.isTrue(70 < count && count < 130, `${count}`)
      }
      assert.deepStrictEqual([yield* traced(byParent, "00"), yield* traced(byParent, "01")], [0, all])
    })
  )
})
