import * as Otel from "@opentelemetry/api"
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core"
import type * as Clock from "effect/Clock"
import type { Attributes, Span, Tracing } from "./Tracing.ts"

interface Options {
  readonly tracer: Otel.Tracer
  readonly propagators: ReadonlySet<string>
  readonly tellsContent: boolean
}

const kinds = { internal: Otel.SpanKind.INTERNAL, client: Otel.SpanKind.CLIENT } as const

/** The stories of requests, told with OpenTelemetry's API. */
export const makeTracing = ({ propagators, tellsContent, tracer }: Options): Tracing => {
  const propagator = new CompositePropagator({
    propagators: [
      ...(propagators.has("tracecontext") ? [new W3CTraceContextPropagator()] : []),
      ...(propagators.has("baggage") ? [new W3CBaggagePropagator()] : [])
    ]
  })

  const headersOf = (context: Otel.Context) => {
    const headers: Record<string, string> = {}
    propagator.inject(context, headers, Otel.defaultTextMapSetter)
    return headers
  }

  const make = (span: Otel.Span, parent: Otel.Context, now: () => number): Span => {
    const context = Otel.trace.setSpan(parent, span)
    const { spanId, traceFlags, traceId } = span.spanContext()
    const common = { traceId, spanId, headers: () => headersOf(context) }
    if ((traceFlags & Otel.TraceFlags.SAMPLED) === 0) return untold(common)
    return {
      ...common,
      sampled: true,
      tellsContent,
      child: (name, kind, attributes = {}) =>
        make(
          tracer.startSpan(name, { kind: kinds[kind], startTime: now(), attributes: defined(attributes) }, context),
          context,
          now
        ),
      set: (attributes) => void span.setAttributes(defined(attributes)),
      event: (name, attributes = {}) => void span.addEvent(name, defined(attributes), now()),
      fail: (failure) => fail(span, failure),
      end: (failure) => {
        if (failure !== undefined && span.isRecording()) fail(span, failure)
        span.end(now())
      }
    }
  }

  return {
    begin: (headers, { clock, name }) => {
      const parent = propagator.extract(Otel.ROOT_CONTEXT, headers, Otel.defaultTextMapGetter)
      const now = steadyTime(clock)
      return make(tracer.startSpan(name, { kind: Otel.SpanKind.SERVER, startTime: now() }, parent), parent, now)
    }
  }
}

const fail = (span: Otel.Span, failure: string) =>
  void span.setAttribute("error.type", failure).setStatus({ code: Otel.SpanStatusCode.ERROR })

/** One that nobody will see, and so has no children and forgets what it is told. */
const untold = (common: Pick<Span, "traceId" | "spanId" | "headers">): Span => {
  const span: Span = {
    ...common,
    sampled: false,
    tellsContent: false,
    child: () => span,
    set: () => {},
    event: () => {},
    fail: () => {},
    end: () => {}
  }
  return span
}

/** Milliseconds since 1970 as they were at the first reading, and from then on by the clock that never jumps. */
const steadyTime = (clock: Clock.Clock) => {
  const offset = clock.currentTimeMillisUnsafe() - Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  return () => offset + Number(clock.monotonicTimeNanosUnsafe()) / 1e6
}

const defined = (attributes: Attributes): Otel.Attributes => {
  const result: Otel.Attributes = {}
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) result[key] = typeof value === "object" ? [...value] : value
  }
  return result
}
