import * as Otel from "@opentelemetry/api"
import {
  CompositePropagator,
  type InstrumentationScope,
  W3CBaggagePropagator,
  W3CTraceContextPropagator
} from "@opentelemetry/core"
import type { Resource } from "@opentelemetry/resources"
import { RandomIdGenerator, type Sampler, SamplingDecision, type SpanProcessor } from "@opentelemetry/sdk-trace"
import type * as Clock from "effect/Clock"
import { type Told, ToldSpan } from "./ToldSpan.ts"
import type { Span, Tracing } from "./Tracing.ts"

interface Options {
  readonly processor: SpanProcessor
  readonly sampler: Sampler
  readonly resource: Resource
  readonly scope: InstrumentationScope
  readonly propagators: ReadonlySet<string>
  readonly tellsContent: boolean
}

/** The stories of requests, told in spans that OpenTelemetry's SDK gathers and sends. */
export const makeTracing = ({ processor, propagators, resource, sampler, scope, tellsContent }: Options): Tracing => {
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

  const headersOf: Told["headersOf"] = (carrier, span) => {
    const headers: Record<string, string> = {}
    propagator.inject(Otel.trace.setSpanContext(carrier, span), headers, Otel.defaultTextMapSetter)
    return headers
  }

  const told: Told = { headersOf, ids: new RandomIdGenerator(), ownHeaders, processor, resource, scope, tellsContent }

  return {
    begin: (headers, { clock, name, traceId }) => {
      const carries = headers["traceparent"] !== undefined || headers["baggage"] !== undefined
      if (!carries) {
        // Under load this is most of them.
        if (decide(sampler, Otel.ROOT_CONTEXT, traceId, "") === SamplingDecision.NOT_RECORD) {
          return new Untold(traceId, ownHeaders)
        }
        return new ToldSpan(told, { name: name(), kind: Otel.SpanKind.SERVER, traceId, now: steadyTime(clock) })
      }
      const carrier = propagator.extract(Otel.ROOT_CONTEXT, headers, Otel.defaultTextMapGetter)
      const parent = Otel.trace.getSpanContext(carrier)
      const id = parent?.traceId ?? traceId
      const spanName = name()
      if (decide(sampler, carrier, id, spanName) === SamplingDecision.NOT_RECORD) {
        const { traceState } = parent ?? {}
        const context = { traceId: id, spanId: told.ids.generateSpanId(), traceFlags: Otel.TraceFlags.NONE }
        return new Untold(id, () => headersOf(carrier, traceState === undefined ? context : { ...context, traceState }))
      }
      return new ToldSpan(told, {
        ...{ name: spanName, kind: Otel.SpanKind.SERVER, traceId: id, now: steadyTime(clock) },
        ...{ parent, carrier }
      })
    }
  }
}

/** None of the samplers that can be set records what it doesn't sample. */
const decide = (sampler: Sampler, parent: Otel.Context, traceId: string, name: string): SamplingDecision =>
  sampler.shouldSample(parent, traceId, name, Otel.SpanKind.SERVER, {}, []).decision

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
