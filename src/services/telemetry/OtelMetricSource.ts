import * as OtelMetrics from "@effect/opentelemetry/OtelMetrics"
import type * as Resource from "@effect/opentelemetry/Resource"
import type { MetricProducer } from "@opentelemetry/sdk-metrics"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { metric } from "./Names.ts"

const units = new Map<string, string>(Object.values(metric).map(({ name, unit }) => [name, unit]))

/** Effect's metrics as OpenTelemetry reads them, with the units that Effect has no place for. */
export const makeSource = (registry: Context.Context<never>): Effect.Effect<MetricProducer, never, Resource.Resource> =>
  Effect.map(Effect.provide(OtelMetrics.makeProducer(), registry), (producer) => ({
    collect: async (options) => {
      const { errors, resourceMetrics } = await producer.collect(options)
      const scopeMetrics = resourceMetrics.scopeMetrics.map(({ metrics, scope }) => ({
        scope,
        metrics: metrics.map((one) => ({
          ...one,
          descriptor: { ...one.descriptor, unit: units.get(one.descriptor.name) ?? one.descriptor.unit }
        }))
      }))
      return { errors, resourceMetrics: { ...resourceMetrics, scopeMetrics } }
    }
  }))
