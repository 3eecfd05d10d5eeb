import * as OtelMetrics from "@effect/opentelemetry/OtelMetrics"
import type * as Resource from "@effect/opentelemetry/Resource"
import type { Attributes } from "@opentelemetry/api"
import type { MetricData, MetricProducer } from "@opentelemetry/sdk-metrics"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { attribute, metric } from "./Names.ts"

/**
 * Effect's metrics as OpenTelemetry reads them, with what Effect has no place for: units, and attributes that are
 * numbers.
 */
export const makeSource = (registry: Context.Context<never>): Effect.Effect<MetricProducer, never, Resource.Resource> =>
  Effect.map(Effect.provide(OtelMetrics.makeProducer(), registry), (producer) => ({
    collect: async (options) => {
      const { errors, resourceMetrics } = await producer.collect(options)
      const scopeMetrics = resourceMetrics.scopeMetrics.map(({ metrics, scope }) => ({
        scope,
        metrics: metrics.map(completed)
      }))
      return { errors, resourceMetrics: { ...resourceMetrics, scopeMetrics } }
    }
  }))

const units = new Map<string, string>(Object.values(metric).map(({ name, unit }) => [name, unit]))

const completed = (data: MetricData): MetricData => {
  // They were made for this reading.
  for (const point of data.dataPoints) Object.assign(point, { attributes: withNumbers(point.attributes) })
  return { ...data, descriptor: { ...data.descriptor, unit: units.get(data.descriptor.name) ?? data.descriptor.unit } }
}

const withNumbers = (attributes: Attributes): Attributes => {
  const status = attributes[attribute.status]
  return status === undefined ? attributes : { ...attributes, [attribute.status]: Number(status) }
}
