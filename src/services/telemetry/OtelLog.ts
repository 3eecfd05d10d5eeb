import * as OtelLogger from "@effect/opentelemetry/OtelLogger"
import { type SpanContext, TraceFlags } from "@opentelemetry/api"
import type { InstrumentationScope } from "@opentelemetry/core"
import type { Resource } from "@opentelemetry/resources"
import type { LogRecordProcessor, SdkLogRecord } from "@opentelemetry/sdk-logs"
import * as Formatter from "effect/Formatter"
import type * as Logger from "effect/Logger"
import type { Entry, LineListener } from "../Logging.ts"
import { cut, isLong } from "./Cut.ts"
import { spanIn } from "./Tracing.ts"

interface Options {
  readonly processor: LogRecordProcessor
  readonly resource: Resource
  readonly scope: InstrumentationScope
}

/** The log's lines again, each with its fields as attributes and the span that it belongs to. */
export const alsoToCollector =
  (to: Options): LineListener =>
  (line, entry, options) =>
    to.processor.onEmit(new Line(to, isLong(line), entry, options))

/**
 * A line as the SDK sends it. What it is made of is worked out when it is sent, many at a time: the SDK's own records do
 * that for each as it comes, and keep more.
 */
class Line implements SdkLogRecord {
  readonly droppedAttributesCount = 0
  readonly severityNumber: number
  readonly spanContext?: SpanContext
  private readonly to: Options
  private readonly at: number
  private readonly entry: Entry
  private told: Attributes | undefined

  constructor(to: Options, long: boolean, entry: Entry, { date, fiber, logLevel }: Logger.Options<unknown>) {
    this.to = to
    this.at = date.getTime()
    // Thousands may wait: of a long one nothing is kept but what is told.
    this.entry = long ? { ...entry, fields: [] } : entry
    if (long) this.told = attributesOf(entry)
    this.severityNumber = OtelLogger.logLevelToSeverityNumber(logLevel)
    const span = spanIn(fiber.context)
    if (span === undefined) return
    const { sampled, spanId, traceId } = span
    this.spanContext = { traceId, spanId, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE }
  }

  get resource() {
    return this.to.resource
  }
  get instrumentationScope() {
    return this.to.scope
  }
  get severityText() {
    return this.entry.level
  }
  get body() {
    return this.entry.text
  }
  get hrTime(): [number, number] {
    return [Math.floor(this.at / 1000), (this.at % 1000) * 1e6]
  }
  get hrTimeObserved() {
    return this.hrTime
  }
  /** Worked out once: an exporter asks several times. */
  get attributes() {
    this.told ??= attributesOf(this.entry)
    return this.told
  }

  // Nobody changes a line.
  setAttribute() {
    return this
  }
  setAttributes() {
    return this
  }
  setBody() {
    return this
  }
  setEventName() {
    return this
  }
  setSeverityNumber() {
    return this
  }
  setSeverityText() {
    return this
  }
}

type Attributes = Record<string, string | number | boolean>

const attributesOf = ({ cause, fields }: Entry): Attributes => {
  const attributes: Attributes = {}
  for (const part of fields) {
    for (const key of Object.keys(part)) {
      const value = part[key]
      if (typeof value === "string") attributes[key] = cut(value)
      else if (typeof value === "number" || typeof value === "boolean") attributes[key] = value
      else if (value !== undefined) attributes[key] = cut(Formatter.formatJson(value))
    }
  }
  if (cause !== undefined) attributes["cause"] = cause
  return attributes
}
