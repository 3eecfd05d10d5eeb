import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Settings } from "../../src/services/Settings.ts"
import { readOtelSettings } from "../../src/services/telemetry/OtelSettings.ts"

const read = (record: Readonly<Record<string, string>>) =>
  Effect.provide(readOtelSettings, Layer.orDie(Settings.layerRecord(record)))

const collector = "http://collector:4318"

describe("OpenTelemetry's variables", () => {
  it.effect("say nothing when nothing is set, or everything is switched off", () =>
    Effect.gen(function* () {
      const off: ReadonlyArray<Readonly<Record<string, string>>> = [
        {},
        { OTEL_SERVICE_NAME: "x" },
        { OTEL_EXPORTER_OTLP_ENDPOINT: collector, OTEL_SDK_DISABLED: "true" },
        { OTEL_SDK_DISABLED: "TRUE", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_TRACES_SAMPLER: "jaeger_remote" },
        {
          OTEL_EXPORTER_OTLP_ENDPOINT: collector,
          OTEL_TRACES_EXPORTER: "none",
          OTEL_METRICS_EXPORTER: "none",
          OTEL_LOGS_EXPORTER: "none"
        }
      ]
      for (const record of off) assert.isUndefined(yield* read(record))
    })
  )

  it.effect("name one collector, or one for each signal", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        OTEL_EXPORTER_OTLP_ENDPOINT: `${collector}/base/`,
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "https://logs:443/ingest",
        OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_LOGS_HEADERS: "authorization=Bearer%20b",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer a, x-y = z ",
        OTEL_EXPORTER_OTLP_TIMEOUT: "500",
        OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: "gzip"
      })
      const { logs, metrics, traces } = settings?.to ?? {}
      assert.deepInclude(traces, {
        url: `${collector}/base/v1/traces`,
        protocol: "http/protobuf",
        timeoutMillis: 500,
        compression: "none"
      })
      assert.deepInclude(metrics, { url: `${collector}/base/v1/metrics`, compression: "gzip" })
      assert.deepInclude(logs, { url: "https://logs:443/ingest", protocol: "http/json" })
      const headersOf = (to = traces) => (to === undefined ? {} : Redacted.value(to.headers))
      assert.deepStrictEqual(headersOf(traces), { authorization: "Bearer a", "x-y": "z" })
      assert.deepStrictEqual(headersOf(logs), { authorization: "Bearer b" })
    })
  )

  const endpoints: ReadonlyArray<readonly [root: string, url: string]> = [
    ["http://collector:4318", "http://collector:4318/v1/traces"],
    ["https://collector", "https://collector/v1/traces"],
    ["http://collector:4318//", "http://collector:4318/v1/traces"],
    ["http://collector/otlp/", "http://collector/otlp/v1/traces"],
    ["http://user:p%40ss@collector/", "http://user:p%40ss@collector/v1/traces"],
    ["http://collector/otlp?api-key=k", "http://collector/otlp/v1/traces?api-key=k"],
    ["http://[::1]:4318", "http://[::1]:4318/v1/traces"]
  ]
  for (const [root, url] of endpoints) {
    it.effect(`have traces go to ${url} where the collector is ${root}`, () =>
      Effect.gen(function* () {
        const settings = yield* read({ OTEL_EXPORTER_OTLP_ENDPOINT: root })
        assert.strictEqual(settings?.to.traces?.url, url)
      })
    )
  }

  it.effect("write header fields and shares as people do", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        OTEL_EXPORTER_OTLP_ENDPOINT: collector,
        OTEL_EXPORTER_OTLP_HEADERS: " authorization=Basic%20dXNlcjpw==, ,x-a=,x-a=%2C%3D,",
        OTEL_TRACES_SAMPLER_ARG: "1e-3"
      })
      const to = settings?.to.traces ?? assert.fail("no traces")
      assert.deepStrictEqual(Redacted.value(to.headers), { authorization: "Basic dXNlcjpw==", "x-a": ",=" })
      assert.strictEqual(settings?.samplerArg, 0.001)
    })
  )

  it.effect("take the usual address for an exporter that is asked for without one", () =>
    Effect.gen(function* () {
      const { to } = (yield* read({ OTEL_TRACES_EXPORTER: "otlp" })) ?? {}
      assert.strictEqual(to?.traces?.url, "http://localhost:4318/v1/traces")
      assert.isUndefined(to?.metrics)
      assert.isUndefined(to?.logs)
    })
  )

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "Bearer secret"],
    ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=%zz"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "a=b%0D%0Ac:d"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "a=%E2%82%AC"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "a:=b"],
    ["OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"],
    ["OTEL_EXPORTER_OTLP_CERTIFICATE", "package.json"],
    ["OTEL_BSP_MAX_QUEUE_SIZE", "0"],
    ["OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "many"],
    ["OTEL_TRACES_EXPORTER", "zipkin"],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote"],
    ["OTEL_TRACES_SAMPLER_ARG", "1.5"],
    ["OTEL_TRACES_SAMPLER_ARG", "-1"],
    ["OTEL_TRACES_SAMPLER_ARG", "1e3"],
    ["OTEL_TRACES_SAMPLER_ARG", "a tenth"],
    ["OTEL_TRACES_SAMPLER_ARG", "NaN"],
    ["OTEL_PROPAGATORS", "b3"],
    ["OTEL_RESOURCE_ATTRIBUTES", "nothing"],
    ["OTEL_METRIC_EXPORT_INTERVAL", "0"],
    ["OTEL_SDK_DISABLED", "perhaps"]
  ]
  for (const [variable, value] of wrong) {
    it.effect(`stop the start where ${variable} is ${value}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [variable]: value }))
        assert.strictEqual(error.variable, variable)
        const secret = variable.endsWith("HEADERS")
        assert.strictEqual(error.message.includes(value), !secret)
        assert.match(error.message, /expected .+\.$/)
      })
    )
  }
})
