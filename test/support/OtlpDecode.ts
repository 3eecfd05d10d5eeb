import { readFileSync } from "node:fs"
import protobuf from "protobufjs"

/** What comes over the wire, in either encoding: an id is text in one and bytes in the other. */
interface WireValue {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string | number
  readonly doubleValue?: number
  readonly arrayValue?: { readonly values?: ReadonlyArray<WireValue> }
}
type WireId = string | Uint8Array | undefined
interface Attributed {
  readonly attributes?: ReadonlyArray<{ readonly key: string; readonly value: WireValue }>
}
interface WireSpan extends Attributed {
  readonly traceId: WireId
  readonly spanId: WireId
  readonly parentSpanId?: WireId
  readonly traceState?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly events?: ReadonlyArray<Attributed & { readonly name: string; readonly timeUnixNano: string }>
  readonly status?: { readonly code?: number }
}
interface WirePoint extends Attributed {
  readonly count: string | number
  readonly sum: number
  readonly explicitBounds: ReadonlyArray<number>
  readonly bucketCounts: ReadonlyArray<string | number>
}
interface WireNumber extends Attributed {
  readonly asDouble?: number
  readonly asInt?: string | number
}
interface WireMetric {
  readonly name: string
  readonly description?: string
  readonly unit: string
  readonly histogram?: { readonly aggregationTemporality: number; readonly dataPoints: ReadonlyArray<WirePoint> }
  readonly gauge?: { readonly dataPoints: ReadonlyArray<WireNumber> }
  readonly sum?: {
    readonly aggregationTemporality: number
    readonly isMonotonic?: boolean
    readonly dataPoints: ReadonlyArray<WireNumber>
  }
}
interface WireLog extends Attributed {
  readonly body?: WireValue
  readonly severityNumber: number
  readonly severityText: string
  readonly timeUnixNano: string
  readonly traceId?: WireId
  readonly spanId?: WireId
}
interface WireScope {
  readonly spans?: ReadonlyArray<WireSpan>
  readonly metrics?: ReadonlyArray<WireMetric>
  readonly logRecords?: ReadonlyArray<WireLog>
}
interface WireGroup {
  readonly resource?: Attributed
  readonly scopeSpans?: ReadonlyArray<WireScope>
  readonly scopeMetrics?: ReadonlyArray<WireScope>
  readonly scopeLogs?: ReadonlyArray<WireScope>
}
interface WireExport {
  readonly resourceSpans?: ReadonlyArray<WireGroup>
  readonly resourceMetrics?: ReadonlyArray<WireGroup>
  readonly resourceLogs?: ReadonlyArray<WireGroup>
}

export type Value = string | number | boolean | ReadonlyArray<unknown> | undefined

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: "internal" | "server" | "client" | undefined
  readonly attributes: Readonly<Record<string, Value>>
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: Readonly<Record<string, Value>> }>
  /** When each of them was, as the times below. */
  readonly eventTimes: ReadonlyArray<bigint>
  readonly failed: boolean
  /** Nanoseconds since 1970. */
  readonly start: bigint
  readonly end: bigint
}

export interface ReceivedPoint {
  readonly attributes: Readonly<Record<string, Value>>
  readonly count: number
  readonly sum: number
  readonly bounds: ReadonlyArray<number>
  readonly buckets: ReadonlyArray<number>
}

export interface ReceivedNumber {
  readonly attributes: Readonly<Record<string, Value>>
  readonly value: number
}

export interface ReceivedMetric {
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly kind: "histogram" | "gauge" | "counter" | "sum that may fall"
  readonly cumulative: boolean
  /** Those of a histogram. */
  readonly points: ReadonlyArray<ReceivedPoint>
  /** Those of a gauge or a sum. */
  readonly numbers: ReadonlyArray<ReceivedNumber>
}

export interface ReceivedLog {
  readonly body: Value
  readonly severity: string
  readonly severityNumber: number
  /** Nanoseconds since 1970. */
  readonly time: bigint
  readonly attributes: Readonly<Record<string, Value>>
  readonly traceId: string
  readonly spanId: string
}

export interface Received {
  readonly resource: Readonly<Record<string, Value>>
  readonly spans: ReadonlyArray<ReceivedSpan>
  readonly metrics: ReadonlyArray<ReceivedMetric>
  readonly logs: ReadonlyArray<ReceivedLog>
}

const { root } = protobuf.parse(readFileSync(new URL("Otlp.proto", import.meta.url), "utf8"))
const messages = { traces: "TracesData", metrics: "MetricsData", logs: "LogsData" } as const

export type SignalName = keyof typeof messages

/** Reads an export in either of its encodings; what isn't one throws. */
export const decodeExport = (signal: SignalName, contentType: string, body: Buffer): Received => {
  if (contentType === "application/json") return received(JSON.parse(body.toString("utf8")))
  if (contentType !== "application/x-protobuf") throw new Error(`an export of type ${contentType}`)
  const type = root.lookupType(messages[signal])
  return received(type.toObject(type.decode(body), { longs: String }))
}

const received = (data: WireExport): Received => {
  const groups = data.resourceSpans ?? data.resourceMetrics ?? data.resourceLogs ?? []
  const scopes = groups.flatMap(
    ({ scopeLogs, scopeMetrics, scopeSpans }) => scopeSpans ?? scopeMetrics ?? scopeLogs ?? []
  )
  return {
    resource: attributesOf(groups[0]?.resource),
    spans: scopes.flatMap(({ spans = [] }) => spans).map(spanOf),
    metrics: scopes.flatMap(({ metrics = [] }) => metrics).map(metricOf),
    logs: scopes
      .flatMap(({ logRecords = [] }) => logRecords)
      .map((record) => ({
        body: scalarOf(record.body),
        severity: record.severityText,
        severityNumber: record.severityNumber,
        time: BigInt(record.timeUnixNano),
        attributes: attributesOf(record),
        traceId: idOf(record.traceId),
        spanId: idOf(record.spanId)
      }))
  }
}

const spanOf = (span: WireSpan): ReceivedSpan => ({
  traceId: idOf(span.traceId),
  spanId: idOf(span.spanId),
  parentSpanId: idOf(span.parentSpanId),
  traceState: span.traceState ?? "",
  name: span.name,
  kind: ([undefined, "internal", "server", "client"] as const)[span.kind],
  attributes: attributesOf(span),
  events: (span.events ?? []).map((event) => ({ name: event.name, attributes: attributesOf(event) })),
  eventTimes: (span.events ?? []).map(({ timeUnixNano }) => BigInt(timeUnixNano)),
  failed: span.status?.code === 2,
  start: BigInt(span.startTimeUnixNano),
  end: BigInt(span.endTimeUnixNano)
})

const metricOf = ({ description = "", gauge, histogram, name, sum, unit }: WireMetric): ReceivedMetric => ({
  ...{ name, description, unit },
  kind: histogram ? "histogram" : gauge ? "gauge" : sum?.isMonotonic === true ? "counter" : "sum that may fall",
  cumulative: (histogram ?? sum)?.aggregationTemporality === 2,
  points: (histogram?.dataPoints ?? []).map((point) => ({
    attributes: attributesOf(point),
    count: Number(point.count),
    sum: point.sum,
    bounds: point.explicitBounds,
    buckets: point.bucketCounts.map(Number)
  })),
  numbers: ((gauge ?? sum)?.dataPoints ?? []).map((point) => ({
    attributes: attributesOf(point),
    value: Number(point.asDouble ?? point.asInt)
  }))
})

const idOf = (id: WireId): string => (typeof id === "string" ? id : Buffer.from(id ?? []).toString("hex"))

const attributesOf = ({ attributes = [] }: Attributed = {}): Record<string, Value> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, scalarOf(value)]))

const scalarOf = (value: WireValue | undefined): Value => {
  if (value?.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(scalarOf)
  if (value?.intValue !== undefined) return Number(value.intValue)
  return value?.stringValue ?? value?.boolValue ?? value?.doubleValue
}
