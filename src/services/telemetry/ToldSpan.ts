import * as Otel from "@opentelemetry/api"
import type { InstrumentationScope } from "@opentelemetry/core"
import type { Resource } from "@opentelemetry/resources"
import type { RandomIdGenerator, ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace"
import { cut } from "./Cut.ts"
import { attribute } from "./Names.ts"
import type { Attributes, Span } from "./Tracing.ts"

const kinds = { internal: Otel.SpanKind.INTERNAL, client: Otel.SpanKind.CLIENT } as const

/** What all spans that are told have in common. */
export interface Told {
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

/** A span as it is told, and as the SDK reads it once it is over: those of its tracer cost more (docs/adr/0019). */
export class ToldSpan implements Span, ReadableSpan {
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

const hrTimeOf = (millis: number): Otel.HrTime => [Math.floor(millis / 1000), Math.floor((millis % 1000) * 1e6)]

const note = (into: Otel.Attributes, attributes: Attributes): Otel.Attributes => {
  for (const key in attributes) {
    const value = attributes[key]
    if (typeof value === "string") into[key] = cut(value)
    else if (value !== undefined) into[key] = typeof value === "object" ? [...value] : value
  }
  return into
}
