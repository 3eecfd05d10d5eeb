import { readFileSync } from "node:fs"
import { Agent as HttpAgent } from "node:http"
import { Agent as HttpsAgent } from "node:https"
import type { ExportResult } from "@opentelemetry/core"
import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base"
import { createOtlpHttpExportDelegate } from "@opentelemetry/otlp-exporter-base/node-http"
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
import * as Redacted from "effect/Redacted"
import type { Destination, Signal } from "./OtelSettings.ts"

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
export const makeExport = ({ certificate, failed }: Options) => {
  const tls = certificate === undefined ? {} : { ca: readFileSync(certificate) }
  const make = <Items, Response>(
    signal: Signal,
    { compression, headers, protocol, timeoutMillis, url }: Destination,
    serializers: Readonly<Record<Destination["protocol"], ISerializer<Items, Response>>>,
    helper: IExporterMetricsHelper<Items>
  ) =>
    new Exporter<Items>(
      createOtlpHttpExportDelegate(
        {
          ...{ url, timeoutMillis, compression, concurrencyLimit: mostAtOnce },
          headers: async () => ({
            ...Redacted.value(headers),
            "Content-Type": protocol === "http/json" ? "application/json" : "application/x-protobuf"
          }),
          agentFactory: (scheme) =>
            scheme === "https:" ? new HttpsAgent({ keepAlive: true, ...tls }) : new HttpAgent({ keepAlive: true })
        },
        serializers[protocol],
        `ai-ticket_${signal}`,
        helper,
        undefined
      ),
      () => failed(signal)
    )
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
}
