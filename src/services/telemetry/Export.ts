import { readFileSync } from "node:fs"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { ExportResult } from "@opentelemetry/core"
import { createOtlpNetworkExportDelegate, ExporterMetrics, OTLPExporterBase } from "@opentelemetry/otlp-exporter-base"
import {
  type IExporterMetricsHelper,
  type ISerializer,
  JsonLogsSerializer,
  JsonMetricsSerializer,
  JsonTraceSerializer,
  LogsExporterMetricsHelper,
  MetricsExporterMetricsHelper,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper
} from "@opentelemetry/otlp-transformer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Destination, Signal } from "./OtelSettings.ts"
import { makeTransport } from "./OtlpTransport.ts"

/** Exports of a signal that may be under way at once; one more is dropped, and so memory stays bounded. */
const mostAtOnce = 4

interface Options {
  readonly certificate: string | undefined
  /** Hears of every export that came to nothing, in words of ours. */
  readonly failed: (signal: Signal) => void
}

/** Says what became of each export, which the SDK keeps to itself. */
class Exporter<Items> extends OTLPExporterBase<Items> {
  private readonly failed: () => void
  constructor(delegate: ConstructorParameters<typeof OTLPExporterBase<Items>>[0], failed: () => void) {
    super(delegate)
    this.failed = failed
  }
  override export(items: Items, done: (result: ExportResult) => void): void {
    super.export(items, (result) => {
      if (result.code !== succeeded) this.failed()
      done(result)
    })
  }
}

/** `ExportResultCode.SUCCESS`, which is a const that only types know. */
const succeeded = 0

/** Exporters over HTTP. They are told everything: none of them reads the environment by itself. */
export const makeExport = Effect.fnUntraced(function* ({ certificate, failed }: Options) {
  const tls = certificate === undefined ? {} : { ca: readFileSync(certificate) }
  const http = NodeHttpClient.layerNodeHttpOptions({ keepAlive: true, ...tls })
  const transportTo = yield* Effect.provide(makeTransport, yield* Layer.build(http))
  const make = <Items, Response>(
    signal: Signal,
    to: Destination,
    serializers: Readonly<Record<Destination["protocol"], ISerializer<Items, Response>>>,
    metricsHelper: IExporterMetricsHelper<Items>
  ) => {
    const { compression, protocol, timeoutMillis } = to
    // What the exporter would tell of itself: to nobody.
    const metrics = new ExporterMetrics({
      ...{ componentType: `ai-ticket_${signal}`, metricsHelper, url: undefined, meterProvider: undefined },
      responseAttributesFromError: () => ({})
    })
    const delegate = createOtlpNetworkExportDelegate(
      { timeoutMillis, compression, concurrencyLimit: mostAtOnce },
      ...([serializers[protocol], metrics, transportTo(to)] as const)
    )
    return new Exporter(delegate, () => failed(signal))
  }
  return {
    traces: (to: Destination) =>
      make(
        "traces",
        to,
        { "http/protobuf": ProtobufTraceSerializer, "http/json": JsonTraceSerializer },
        TraceExporterMetricsHelper
      ),
    metrics: (to: Destination) =>
      make(
        "metrics",
        to,
        { "http/protobuf": ProtobufMetricsSerializer, "http/json": JsonMetricsSerializer },
        MetricsExporterMetricsHelper
      ),
    logs: (to: Destination) =>
      make(
        "logs",
        to,
        { "http/protobuf": ProtobufLogsSerializer, "http/json": JsonLogsSerializer },
        LogsExporterMetricsHelper
      )
  }
})
