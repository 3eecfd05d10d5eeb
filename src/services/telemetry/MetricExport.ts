import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** Metrics that are kept for somebody else, and exported as well. */
export interface MetricSource {
  readonly registry: Context.Context<never>
  /** What their names begin with. */
  readonly namespace: string
  /** Brings the gauges up to date: done before each export. */
  readonly refresh: Effect.Effect<void>
}

export interface MetricExport {
  /** Where the metrics that have a convention are kept. */
  readonly conventions: Context.Context<never>
  /** Has these exported beside them. */
  readonly also: (source: MetricSource) => Effect.Effect<void>
}

/** Who exports metrics; undefined where nobody does. */
export const MetricExport = Context.Reference<MetricExport | undefined>("ai-ticket/services/telemetry/MetricExport", {
  defaultValue: () => undefined
})
