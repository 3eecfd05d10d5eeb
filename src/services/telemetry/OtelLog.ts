import * as OtelLogger from "@effect/opentelemetry/OtelLogger"
import * as Otel from "@opentelemetry/api"
import type { Logger as OtelLog } from "@opentelemetry/api-logs"
import * as Logger from "effect/Logger"
import { type Entry, readEntry } from "../Logging.ts"
import { isWanted } from "../LogLevels.ts"
import { spanIn } from "./Tracing.ts"

/** The log's lines again, each with its fields as attributes and the span that it belongs to. */
export const makeLogger = (log: OtelLog): Logger.Logger<unknown, void> =>
  Logger.make((options) => {
    if (!isWanted(options)) return
    const { fields, level, text } = readEntry(options)
    const span = spanIn(options.fiber.context)
    log.emit({
      body: text,
      severityText: level,
      severityNumber: OtelLogger.logLevelToSeverityNumber(options.logLevel),
      timestamp: options.date,
      attributes: attributesOf(fields),
      ...(span === undefined ? {} : { context: contextOf(span) })
    })
  })

const contextOf = ({
  sampled,
  spanId,
  traceId
}: {
  readonly sampled: boolean
  readonly spanId: string
  readonly traceId: string
}) =>
  Otel.trace.setSpanContext(Otel.ROOT_CONTEXT, {
    ...{ traceId, spanId },
    traceFlags: sampled ? Otel.TraceFlags.SAMPLED : Otel.TraceFlags.NONE
  })

const attributesOf = (fields: Entry["fields"]) => {
  const attributes: Record<string, string | number | boolean> = {}
  for (const key in fields) {
    const value = fields[key]
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") attributes[key] = value
    else if (value !== undefined) attributes[key] = String(value)
  }
  return attributes
}
