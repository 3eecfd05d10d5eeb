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
import * as HttpClient from "effect/http/HttpClient"
import type { Destination, Signal } from "./OtelSettings.ts"
import { makeTransport, NotTaken } from "./OtlpTransport.ts"

/** Exports of a signal that may be under way at once; one more is dropped, and so memory stays bounded. */
const mostAtOnce = 4

interface Options {
  /** Those that are trusted, if not the usual ones. */
  readonly certificates: string | undefined
  /** Hears of every export that came to nothing, and why, in words of ours. */
  readonly failed: (signal: Signal, reason: string) => void
}

/** Says what became of each export, which the SDK keeps to itself. */
class Exporter<Items> extends OTLPExporterBase<Items> {
  private readonly failed: (reason: string) => void
  constructor(delegate: ConstructorParameters<typeof OTLPExporterBase<Items>>[0], failed: (reason: string) => void) {
    super(delegate)
    this.failed = failed
  }
  override export(items: Items, done: (result: ExportResult) => void): void {
    super.export(items, (result) => {
      if (result.code !== succeeded) this.failed(reasonOf(result))
      done(result)
    })
  }
}

/** What isn't the collector's doing is that the exporter has its hands full. */
const reasonOf = ({ error }: ExportResult): string =>
  error instanceof NotTaken ? error.reason : "others are still under way"

/** A collector that takes a part of an export says so in its answer, and in nothing else. */
const heard = <Items, Response extends object>(
  serializer: ISerializer<Items, Response>,
  refused: (count: number) => void
): ISerializer<Items, Response> => ({
  serializeRequest: serializer.serializeRequest,
  deserializeResponse: (data) => {
    const response = serializer.deserializeResponse(data)
    const [, count] = Object.entries(partOf(response)).find(([name]) => name.startsWith("rejected")) ?? []
    // In JSON a number of 64 bits is text.
    if (Number(count) > 0) refused(Number(count))
    return response
  }
})

const partOf = (response: { readonly partialSuccess?: object | null }): object => response.partialSuccess ?? {}

/** `ExportResultCode.SUCCESS`, which is a const that only types know. */
const succeeded = 0

/** Exporters over HTTP. They are told everything: none of them reads the environment by itself. */
export const makeExport = Effect.fnUntraced(function* ({ certificates, failed }: Options) {
  const tls = certificates === undefined ? {} : { ca: certificates }
  // Not the layer of such a client: the program has one already, and would lend it, with its own agent.
  const agent = yield* NodeHttpClient.makeAgent({ keepAlive: true, ...tls })
  const client = yield* Effect.provideService(NodeHttpClient.makeNodeHttp, NodeHttpClient.HttpAgent, agent)
  const transportTo = yield* Effect.provideService(makeTransport, HttpClient.HttpClient, client)
  const make = <Items, Response extends object>(
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
      heard(serializers[protocol], (count) => failed(signal, `${count} in it were refused`)),
      metrics,
      transportTo(to)
    )
    return new Exporter(delegate, (reason) => failed(signal, reason))
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
