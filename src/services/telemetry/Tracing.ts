import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Call } from "../backends/Transport.ts"
import { CurrentRequest } from "../CurrentRequest.ts"

export type AttributeValue = string | number | boolean | ReadonlyArray<string>
/** What is undefined is left out. */
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>

/** A piece of a request's story, from when it was made to when it is ended. Plain calls: they can't fail. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  /** False where nobody will see it: its children are itself, and what it is told is forgotten. */
  readonly sampled: boolean
  /** Whether prompts and completions may be told. */
  readonly tellsContent: boolean
  /** A part of it, which began now, or some milliseconds ago. */
  readonly child: (name: string, kind: "internal" | "client", attributes?: Attributes, millisAgo?: number) => Span
  readonly set: (attributes: Attributes) => void
  readonly event: (name: string, attributes?: Attributes) => void
  /** It went wrong, in a word. */
  readonly fail: (failure: string) => void
  /** Perhaps because it went wrong; once ended it hears nothing. */
  readonly end: (failure?: string) => void
  /** The header fields by which a backend may go on with the trace. */
  readonly headers: () => Readonly<Record<string, string>>
}

/** Begins the story of a request where its header says that it began; undefined where traces are off. */
export interface Tracing {
  readonly begin: (
    headers: Readonly<Record<string, string | undefined>>,
    options: {
      /** Asked for where the story is told. */
      readonly name: () => string
      readonly clock: Clock.Clock
      /** 32 hexadecimal digits: the trace's id, unless the header has one. */
      readonly traceId: string
    }
  ) => Span
}

/** Effect's own tracer is not used: see docs/adr/0019. */
export const Tracing = Context.Reference<Tracing | undefined>("ai-ticket/services/telemetry/Tracing", {
  defaultValue: () => undefined
})

/** The span of a part of a request that has one of its own. */
export const CurrentSpan = Context.Reference<Span | undefined>("ai-ticket/services/telemetry/CurrentSpan", {
  defaultValue: () => undefined
})

/** The span that an effect's own spans and events belong to: of the part that it is of, else of the whole request. */
export const spanIn = (context: Context.Context<never>): Span | undefined =>
  Context.get(context, CurrentSpan) ?? Context.get(context, CurrentRequest)?.span

/** A call that takes its trace along, to the backend and nowhere else. */
export const traced = (call: Call, span: Span | undefined): Call =>
  span === undefined ? call : { ...call, headers: { ...call.headers, ...span.headers() } }

/** The same, noted as an event of the span that it is part of. */
export const told = <A, E, R>(self: Effect.Effect<A, E, R>, event: string, attributes: Attributes) =>
  Effect.withFiber<A, E, R>((fiber) => {
    spanIn(fiber.context)?.event(event, attributes)
    return self
  })
