import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { type Kind, optional, required, text, wholeNumber, words, yesNo } from "../SettingKinds.ts"
import { Settings } from "../Settings.ts"

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

export type Protocol = "http/protobuf" | "http/json"

const url: Kind<string> = {
  decode: (value) =>
    Result.flatMap(
      Result.try(() => new URL(value)),
      ({ protocol }) => (/^https?:$/.test(protocol) ? Result.succeed(value) : Result.fail("another scheme"))
    ),
  expected: "an http or https URL"
}

/** `key=value,key2=value2`, values percent-encoded where they need it. */
const pairs: Kind<Readonly<Record<string, string>>> = {
  decode: (value) =>
    Result.try(() =>
      Object.fromEntries(
        value
          .split(",")
          .filter((pair) => pair.trim() !== "")
          .map((pair) => {
            const [, key = "", rest = ""] = /^\s*([^=\s]+)\s*=(.*)$/.exec(pair) ?? []
            if (key === "") throw new Error("no key")
            return [decodeURIComponent(key), decodeURIComponent(rest.trim())]
          })
      )
    ),
  expected: "key=value pairs, separated by commas"
}

const secretPairs: Kind<Redacted.Redacted<Readonly<Record<string, string>>>> = {
  decode: (value) => Result.map(pairs.decode(value), (decoded) => Redacted.make(decoded)),
  expected: pairs.expected
}

const ratio: Kind<number> = {
  decode: (value) =>
    /^(0|1|0?\.\d+|[01]\.\d+)$/.test(value) && Number(value) <= 1 ? Result.succeed(Number(value)) : Result.fail("no"),
  expected: "a share from 0 to 1"
}

/** The ones that are there; others would be passed over without a word. */
const propagators: Kind<ReadonlySet<string>> = {
  decode: (value) => {
    const asked = new Set(value.split(",").map((name) => name.trim().toLowerCase()))
    return [...asked].every((name) => ["tracecontext", "baggage", "none"].includes(name))
      ? Result.succeed(asked)
      : Result.fail("another one")
  },
  expected: "some of tracecontext, baggage, none, separated by commas"
}

const protocol = words({ "http/protobuf": "http/protobuf", "http/json": "http/json" } as const)
const exporter = words({ otlp: true, none: false })
const compression = words({ gzip: "gzip", none: "none" } as const)
const milliseconds = wholeNumber(1, 3_600_000)

const contents = words({
  ...{ true: true, span_only: true, span_and_event: true },
  ...{ false: false, no_content: false, event_only: false }
})

const of = (signal: Signal) => {
  const prefix = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}`
  const also = (name: string) => ({ variable: `${prefix}_${name}`, description: `The same for ${signal} alone` })
  return {
    exporter: optional(exporter, {
      variable: `OTEL_${signal.toUpperCase()}_EXPORTER`,
      description: `otlp or none: whether ${signal} are exported`
    }),
    endpoint: optional(url, also("ENDPOINT")),
    headers: optional(secretPairs, { ...also("HEADERS"), secret: true }),
    protocol: optional(protocol, also("PROTOCOL")),
    timeout: optional(milliseconds, also("TIMEOUT")),
    compression: optional(compression, also("COMPRESSION"))
  }
}

const ofSignal = { traces: of("traces"), metrics: of("metrics"), logs: of("logs") }

/** OpenTelemetry's own variables, as far as they are read here; none of them has another meaning than there. */
export const common = {
  disabled: required(yesNo, "false", {
    variable: "OTEL_SDK_DISABLED",
    description: "Switches everything off, whatever else is set"
  }),
  endpoint: optional(url, {
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    description: "The collector's root; without it, and without one for a signal, nothing is exported"
  }),
  headers: optional(secretPairs, {
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
  certificate: optional(text(/^[^\0]+$/, "the path of a file"), {
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
  metricInterval: required(milliseconds, "60000", {
    variable: "OTEL_METRIC_EXPORT_INTERVAL",
    description: "Milliseconds between exports of metrics"
  }),
  logDelay: required(milliseconds, "1000", {
    variable: "OTEL_BLRP_SCHEDULE_DELAY",
    description: "Milliseconds between exports of log lines"
  }),
  content: required(contents, "false", {
    variable: "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
    description: "Puts prompts and completions into the spans of attempts"
  })
} as const

/** What the exporters are to do. A signal without a destination is off; all of them off is `undefined`. */
export const readOtelSettings = Effect.gen(function* () {
  const { read } = yield* Settings
  const shared = yield* read(common)
  const own = {
    traces: yield* read(ofSignal.traces),
    metrics: yield* read(ofSignal.metrics),
    logs: yield* read(ofSignal.logs)
  }
  const destinationOf = (signal: Signal): Destination | undefined => {
    const { compression, endpoint, exporter, headers, protocol, timeout } = own[signal]
    const asked = exporter ?? (endpoint !== undefined || shared.endpoint !== undefined)
    if (shared.disabled || !asked) return undefined
    return {
      url: endpoint ?? `${(shared.endpoint ?? usualEndpoint).replace(/\/+$/, "")}/v1/${signal}`,
      headers: headers ?? shared.headers ?? Redacted.make({}),
      protocol: protocol ?? shared.protocol,
      timeoutMillis: timeout ?? shared.timeout,
      compression: compression ?? shared.compression
    }
  }
  const to = { traces: destinationOf("traces"), metrics: destinationOf("metrics"), logs: destinationOf("logs") }
  return signals.some((signal) => to[signal] !== undefined) ? { ...shared, to } : undefined
})

/** Where collectors listen; only for a signal whose exporter is named without an endpoint. */
const usualEndpoint = "http://localhost:4318"

export type OtelSettings = NonNullable<Effect.Success<typeof readOtelSettings>>
