import * as Otel from "@opentelemetry/api"
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core"
import { RandomIdGenerator, type Sampler, SamplingDecision } from "@opentelemetry/sdk-trace"
import type * as Clock from "effect/Clock"
import { attribute } from "./Names.ts"
import type { Attributes, Span, Tracing } from "./Tracing.ts"

interface Options {
  readonly tracer: Otel.Tracer
  readonly sampler: Sampler
  /** Those that the tracer gives to what has no parent. */
  readonly ids: { traceId: string }
  readonly propagators: ReadonlySet<string>
  readonly tellsContent: boolean
}

const kinds = { internal: Otel.SpanKind.INTERNAL, client: Otel.SpanKind.CLIENT } as const

/** The stories of requests, told with OpenTelemetry's API. */
export const makeTracing = ({ ids, propagators, sampler, tellsContent, tracer }: Options): Tracing => {
  const propagator = new CompositePropagator({
    propagators: [
      ...(propagators.has("tracecontext") ? [new W3CTraceContextPropagator()] : []),
      ...(propagators.has("baggage") ? [new W3CBaggagePropagator()] : [])
    ]
  })

  // Nearly always there is nothing else to say, and to build it in the propagator's way costs more than the rest of a call.
  const ownHeaders: Told["ownHeaders"] = propagators.has("tracecontext")
    ? ({ sampled, spanId, traceId }) => ({ traceparent: `00-${traceId}-${spanId}-${sampled ? "01" : "00"}` })
    : () => ({})

  const headersOf = (context: Otel.Context) => {
    const headers: Record<string, string> = {}
    propagator.inject(context, headers, Otel.defaultTextMapSetter)
    return headers
  }

  const told: Told = { headersOf, ownHeaders, tellsContent, tracer }

  return {
    begin: (headers, { clock, name, traceId }) => {
      const carries = headers["traceparent"] !== undefined || headers["baggage"] !== undefined
      const parent = carries
        ? propagator.extract(Otel.ROOT_CONTEXT, headers, Otel.defaultTextMapGetter)
        : Otel.ROOT_CONTEXT
      // Under load this is most of them, and what the SDK makes of one costs more than all the rest here.
      if (!carries && isLeftOut(sampler, traceId)) return new Untold(traceId, ownHeaders)
      const now = steadyTime(clock)
      ids.traceId = traceId
      const span = tracer.startSpan(name(), { kind: Otel.SpanKind.SERVER, startTime: now() }, parent)
      const context = Otel.trace.setSpan(parent, span)
      const { traceFlags, ...known } = span.spanContext()
      if ((traceFlags & Otel.TraceFlags.SAMPLED) === 0) return new Untold(known.traceId, () => headersOf(context))
      return new ToldSpan(told, span, context, now, carries)
    }
  }
}

/** Gives a trace the id that its request has already, since that is what the sampler was asked about. */
export const makeTraceIds = () => {
  const random = new RandomIdGenerator()
  const ids = { traceId: "", generateTraceId: () => ids.traceId, generateSpanId: () => random.generateSpanId() }
  return ids
}

/** None of the samplers that can be set asks for a name. */
const isLeftOut = (sampler: Sampler, traceId: string): boolean =>
  sampler.shouldSample(Otel.ROOT_CONTEXT, traceId, "", Otel.SpanKind.SERVER, {}, []).decision ===
  SamplingDecision.NOT_RECORD

/** What all spans that are told have in common. */
interface Told {
  readonly tracer: Otel.Tracer
  readonly tellsContent: boolean
  /** The fields of a trace that began here. */
  readonly ownHeaders: (span: Span) => Readonly<Record<string, string>>
  /** And of one that came along with something. */
  readonly headersOf: (context: Otel.Context) => Readonly<Record<string, string>>
}

class ToldSpan implements Span {
  readonly sampled = true
  readonly traceId: string
  readonly spanId: string
  readonly tellsContent: boolean
  private readonly told: Told
  private readonly span: Otel.Span
  private readonly context: Otel.Context
  private readonly now: () => number
  private readonly carries: boolean
  constructor(told: Told, span: Otel.Span, context: Otel.Context, now: () => number, carries: boolean) {
    const { spanId, traceId } = span.spanContext()
    this.traceId = traceId
    this.spanId = spanId
    this.tellsContent = told.tellsContent
    this.told = told
    this.span = span
    this.context = context
    this.now = now
    this.carries = carries
  }
  headers() {
    return this.carries ? this.told.headersOf(this.context) : this.told.ownHeaders(this)
  }
  child(name: string, kind: "internal" | "client", attributes: Attributes = {}, millisAgo = 0): Span {
    const options = { kind: kinds[kind], startTime: this.now() - millisAgo, attributes: defined(attributes) }
    const span = this.told.tracer.startSpan(name, options, this.context)
    return new ToldSpan(this.told, span, Otel.trace.setSpan(this.context, span), this.now, this.carries)
  }
  set(attributes: Attributes) {
    this.span.setAttributes(defined(attributes))
  }
  event(name: string, attributes: Attributes = {}) {
    this.span.addEvent(name, defined(attributes), this.now())
  }
  fail(failure: string) {
    this.span.setAttribute(attribute.errorType, failure).setStatus({ code: Otel.SpanStatusCode.ERROR })
  }
  end(failure?: string) {
    if (failure !== undefined && this.span.isRecording()) this.fail(failure)
    this.span.end(this.now())
  }
}

/** One that nobody will see, and so has no children and forgets what it is told: most of them, under load. */
class Untold implements Span {
  readonly sampled = false
  readonly tellsContent = false
  readonly traceId: string
  private readonly tell: (span: Span) => ReturnType<Span["headers"]>
  constructor(traceId: string, tell: (span: Span) => ReturnType<Span["headers"]>) {
    this.traceId = traceId
    this.tell = tell
  }
  /** Nobody knows a span by it. */
  get spanId() {
    return this.traceId.slice(16)
  }
  headers() {
    return this.tell(this)
  }
  child() {
    return this
  }
  set() {}
  event() {}
  fail() {}
  end() {}
}

/** Milliseconds since 1970 as they were at the first reading, and from then on by the clock that never jumps. */
const steadyTime = (clock: Clock.Clock) => {
  const offset = clock.currentTimeMillisUnsafe() - Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  return () => offset + Number(clock.monotonicTimeNanosUnsafe()) / 1e6
}

const defined = (attributes: Attributes): Otel.Attributes => {
  const result: Otel.Attributes = {}
  for (const key in attributes) {
    const value = attributes[key]
    if (value !== undefined) result[key] = typeof value === "object" ? [...value] : value
  }
  return result
}
