import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Tracing } from "../../src/services/telemetry/Tracing.ts"
import { sendEvent } from "../support/Http.ts"
import { modulesOf } from "../support/LoadedModules.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { startService } from "../support/Running.ts"

const isTelemetry = (module: string) => /@opentelemetry\/|@effect\/opentelemetry|telemetry\/Sdk/.test(module)

describe("without a collector", () => {
  it.live("nothing of OpenTelemetry is loaded", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* modulesOf({})).filter(isTelemetry), [])
      const disabled = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_SDK_DISABLED: "true" }
      assert.deepStrictEqual((yield* modulesOf(disabled)).filter(isTelemetry), [])
      // What shows that the two before could have failed.
      const on = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }
      assert.isAbove((yield* modulesOf(on)).filter(isTelemetry).length, 20)
    })
  )

  it.live("a signal that isn't wanted isn't there", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { url } = yield* startService({
        ...exportingTo(collector),
        OTEL_EXPORTER_OTLP_ENDPOINT: "",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/own/metrics`,
        OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "http/json"
      })
      yield* sendEvent(url, { content: "p" })
      yield* Effect.repeat(Effect.yieldNow, { until: () => collector.metrics().size > 0 })
      assert.deepStrictEqual([...new Set(collector.exports.map(({ path }) => path))], ["/own/metrics"])
      assert.strictEqual(collector.exports[0]?.headers["content-type"], "application/json")
    })
  )

  it.effect("nobody begins a story", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* Tracing)
    })
  )
})
