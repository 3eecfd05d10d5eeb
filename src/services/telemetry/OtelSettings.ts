import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { optional, required, text, words, yesNo } from "../SettingKinds.ts"
import { Settings } from "../Settings.ts"
import {
  certificates,
  compression,
  contents,
  exporter,
  fields,
  items,
  milliseconds,
  pairs,
  propagators,
  protocol,
  ratio,
  url
} from "./OtelKinds.ts"

export const signals = ["traces", "metrics", "logs"] as const
export type Signal = (typeof signals)[number]

/** Where a signal goes, and how. */
export interface Destination {
  readonly url: string
  readonly headers: Redacted.Redacted<Readonly<Record<string, string>>>
  readonly protocol: Protocol
  readonly timeoutMillis: number
  readonly compression: "gzip" | "none"
}

type Protocol = "http/protobuf" | "http/json"

const of = (signal: Signal) => {
  const prefix = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}`
  const also = (name: string) => ({ variable: `${prefix}_${name}`, description: `The same for ${signal} alone` })
  return {
    exporter: optional(exporter, {
      variable: `OTEL_${signal.toUpperCase()}_EXPORTER`,
      description: `otlp or none: whether ${signal} are exported`
    }),
    endpoint: optional(url, also("ENDPOINT")),
    headers: optional(fields, { ...also("HEADERS"), secret: true }),
    protocol: optional(protocol, also("PROTOCOL")),
    timeout: optional(milliseconds, also("TIMEOUT")),
    compression: optional(compression, also("COMPRESSION"))
  }
}

const ofSignal = { traces: of("traces"), metrics: of("metrics"), logs: of("logs") }

const off = {
  disabled: required(yesNo, "false", {
    variable: "OTEL_SDK_DISABLED",
    description: "Switches everything off, whatever else is set"
  })
}

/** OpenTelemetry's own variables, as far as they are read here; none of them has another meaning than there. */
export const common = {
  ...off,
  endpoint: optional(url, {
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    description: "The collector's root; without it, and without one for a signal, nothing is exported"
  }),
  headers: optional(fields, {
    variable: "OTEL_EXPORTER_OTLP_HEADERS",
    description: "Header fields for the collector",
    secret: true
  }),
  protocol: required(protocol, "http/protobuf", {
    variable: "OTEL_EXPORTER_OTLP_PROTOCOL",
    description: "http/protobuf or http/json"
  }),
  timeout: required(milliseconds, "10000", {
    variable: "OTEL_EXPORTER_OTLP_TIMEOUT",
    description: "Milliseconds that an export may take"
  }),
  compression: required(compression, "none", {
    variable: "OTEL_EXPORTER_OTLP_COMPRESSION",
    description: "gzip or none"
  }),
  certificates: optional(certificates, {
    variable: "OTEL_EXPORTER_OTLP_CERTIFICATE",
    description: "A file with the certificates that the collector's is checked against"
  }),
  serviceName: optional(text(/\S/, "a name"), {
    variable: "OTEL_SERVICE_NAME",
    description: "What this service is called; ai-ticket when unset"
  }),
  resourceAttributes: optional(pairs, {
    variable: "OTEL_RESOURCE_ATTRIBUTES",
    description: "What else is known of it, such as deployment.environment.name=production"
  }),
  sampler: required(
    words({
      always_on: "always_on",
      always_off: "always_off",
      traceidratio: "traceidratio",
      parentbased_always_on: "parentbased_always_on",
      parentbased_always_off: "parentbased_always_off",
      parentbased_traceidratio: "parentbased_traceidratio"
    } as const),
    "parentbased_always_on",
    { variable: "OTEL_TRACES_SAMPLER", description: "Which requests are traced" }
  ),
  samplerArg: required(ratio, "1", {
    variable: "OTEL_TRACES_SAMPLER_ARG",
    description: "The share of them, for the samplers with traceidratio"
  }),
  propagators: required(propagators, "tracecontext", {
    variable: "OTEL_PROPAGATORS",
    description: "What is taken from requests and passed on to backends; baggage only where it is named"
  }),
  spanDelay: required(milliseconds, "5000", {
    variable: "OTEL_BSP_SCHEDULE_DELAY",
    description: "Milliseconds between exports of spans"
  }),
  spanQueue: required(items, "2048", {
    variable: "OTEL_BSP_MAX_QUEUE_SIZE",
    description: "Spans that may wait to be exported; what has no room is lost"
  }),
  spanBatch: required(items, "512", {
    variable: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    description: "Spans of one export"
  }),
  metricInterval: required(milliseconds, "60000", {
    variable: "OTEL_METRIC_EXPORT_INTERVAL",
    description: "Milliseconds between exports of metrics"
  }),
  logDelay: required(milliseconds, "1000", {
    variable: "OTEL_BLRP_SCHEDULE_DELAY",
    description: "Milliseconds between exports of log lines"
  }),
  logQueue: required(items, "2048", {
    variable: "OTEL_BLRP_MAX_QUEUE_SIZE",
    description: "Log lines that may wait to be exported; what has no room is lost"
  }),
  logBatch: required(items, "512", {
    variable: "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    description: "Log lines of one export"
  }),
  content: required(contents, "false", {
    variable: "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
    description: "Puts prompts and completions into the spans of attempts"
  })
} as const

/** What the exporters are to do. A signal without a destination is off; all of them off is `undefined`. */
export const readOtelSettings = Effect.gen(function* () {
  const { read } = yield* Settings
  // What is written for others, gRPC say, is no trouble then.
  if ((yield* read(off)).disabled) return undefined
  const shared = yield* read(common)
  const own = {
    traces: yield* read(ofSignal.traces),
    metrics: yield* read(ofSignal.metrics),
    logs: yield* read(ofSignal.logs)
  }
  const destinationOf = (signal: Signal): Destination | undefined => {
    const { compression, endpoint, exporter, headers, protocol, timeout } = own[signal]
    const asked = exporter ?? (endpoint !== undefined || shared.endpoint !== undefined)
    if (!asked) return undefined
    return {
      url: endpoint ?? below(shared.endpoint ?? usualEndpoint, `v1/${signal}`),
      headers: headers ?? shared.headers ?? Redacted.make({}),
      protocol: protocol ?? shared.protocol,
      timeoutMillis: timeout ?? shared.timeout,
      compression: compression ?? shared.compression
    }
  }
  const to = { traces: destinationOf("traces"), metrics: destinationOf("metrics"), logs: destinationOf("logs") }
  return signals.some((signal) => to[signal] !== undefined) ? { ...shared, to } : undefined
})

/** A query, which may hold a key, stays behind the path. */
const below = (root: string, path: string): string => {
  const url = new URL(root)
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${path}`
  return url.href
}

/** Where collectors listen; only for a signal whose exporter is named without an endpoint. */
const usualEndpoint = "http://localhost:4318"

export type OtelSettings = NonNullable<Effect.Success<typeof readOtelSettings>>
