import * as Otel from "@opentelemetry/api"
import {
  CompositePropagator,
  type InstrumentationScope,
  W3CBaggagePropagator,
  W3CTraceContextPropagator
} from "@opentelemetry/core"
import type { Resource } from "@opentelemetry/resources"
import {
  RandomIdGenerator,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  type SpanProcessor
} from "@opentelemetry/sdk-trace"
import type * as Clock from "effect/Clock"
import { attribute } from "./Names.ts"
import type { Attributes, Span, Tracing } from "./Tracing.ts"

interface Options {
  readonly processor: SpanProcessor
  readonly sampler: Sampler
  readonly resource: Resource
  readonly scope: InstrumentationScope
  readonly propagators: ReadonlySet<string>
  readonly tellsContent: boolean
}

const kinds = { internal: Otel.SpanKind.INTERNAL, client: Otel.SpanKind.CLIENT } as const

/** The longest text of a span; a prompt that is told may be longer. */
const longestAttribute = 65_536

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

/** What all spans that are told have in common. */
interface Told {
  readonly processor: SpanProcessor
  readonly resource: Resource
  readonly scope: InstrumentationScope
  readonly ids: RandomIdGenerator
  readonly tellsContent: boolean
  /** The fields of a trace that began here. */
  readonly ownHeaders: (span: Span) => Readonly<Record<string, string>>
  /** And of one that came along with something. */
  readonly headersOf: (carrier: Otel.Context, span: Otel.SpanContext) => Readonly<Record<string, string>>
}

/** How a span begins. */
interface Beginning {
  readonly name: string
  readonly kind: Otel.SpanKind
  readonly traceId: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly millisAgo?: number
  readonly parent?: Otel.SpanContext | undefined
  /** What came along with its request. */
  readonly carrier?: Otel.Context | undefined
}

/** A span as it is told, and as the SDK reads it once it is over: its own, made by its tracer, cost four times as much. */
class ToldSpan implements Span, ReadableSpan {
  readonly sampled = true
  readonly name: string
  readonly kind: Otel.SpanKind
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanContext?: Otel.SpanContext
  readonly attributes: Otel.Attributes = {}
  readonly events: ReadableSpan["events"] = []
  readonly links: ReadableSpan["links"] = []
  readonly droppedAttributesCount = 0
  readonly droppedEventsCount = 0
  readonly droppedLinksCount = 0
  status: Otel.SpanStatus = { code: Otel.SpanStatusCode.UNSET }
  ended = false
  private readonly told: Told
  private readonly context: Otel.SpanContext
  private readonly beginning: Beginning
  private readonly began: number
  private until = 0

  constructor(told: Told, beginning: Beginning) {
    const { kind, millisAgo = 0, name, now, parent, traceId } = beginning
    this.told = told
    this.beginning = beginning
    this.name = name
    this.kind = kind
    this.traceId = traceId
    this.spanId = told.ids.generateSpanId()
    this.began = now() - millisAgo
    if (parent !== undefined) this.parentSpanContext = parent
    const context = { traceId, spanId: this.spanId, traceFlags: Otel.TraceFlags.SAMPLED }
    this.context = parent?.traceState === undefined ? context : { ...context, traceState: parent.traceState }
  }

  get resource() {
    return this.told.resource
  }
  get instrumentationScope() {
    return this.told.scope
  }
  get tellsContent() {
    return this.told.tellsContent
  }
  get startTime() {
    return hrTimeOf(this.began)
  }
  get endTime() {
    return hrTimeOf(this.until)
  }
  get duration() {
    return hrTimeOf(this.until - this.began)
  }
  spanContext() {
    return this.context
  }

  headers() {
    const { carrier } = this.beginning
    return carrier === undefined ? this.told.ownHeaders(this) : this.told.headersOf(carrier, this.context)
  }
  child(name: string, kind: "internal" | "client", attributes?: Attributes, millisAgo?: number): Span {
    const { carrier, now } = this.beginning
    const span = new ToldSpan(this.told, {
      ...{ name, kind: kinds[kind], traceId: this.traceId, now, parent: this.context },
      ...(millisAgo === undefined ? undefined : { millisAgo }),
      ...(carrier === undefined ? undefined : { carrier })
    })
    if (attributes !== undefined) span.set(attributes)
    return span
  }
  set(attributes: Attributes) {
    if (!this.ended) note(this.attributes, attributes)
  }
  event(name: string, attributes: Attributes = {}) {
    if (this.ended) return
    this.events.push({ name, attributes: note({}, attributes), time: hrTimeOf(this.beginning.now()) })
  }
  fail(failure: string) {
    if (this.ended) return
    this.attributes[attribute.errorType] = failure
    this.status = { code: Otel.SpanStatusCode.ERROR }
  }
  end(failure?: string) {
    if (this.ended) return
    if (failure !== undefined) this.fail(failure)
    this.ended = true
    this.until = Math.max(this.began, this.beginning.now())
    this.told.processor.onEnd(this)
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

const hrTimeOf = (millis: number): Otel.HrTime => [Math.floor(millis / 1000), Math.floor((millis % 1000) * 1e6)]

const note = (into: Otel.Attributes, attributes: Attributes): Otel.Attributes => {
  for (const key in attributes) {
    const value = attributes[key]
    if (typeof value === "string")
      into[key] = value.length > longestAttribute ? value.slice(0, longestAttribute) : value
    else if (value !== undefined) into[key] = typeof value === "object" ? [...value] : value
  }
  return into
}
