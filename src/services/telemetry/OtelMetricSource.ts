import * as OtelMetrics from "@effect/opentelemetry/OtelMetrics"
import * as Resource from "@effect/opentelemetry/Resource"
import type { Attributes } from "@opentelemetry/api"
import type { MetricData, MetricProducer } from "@opentelemetry/sdk-metrics"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Metric from "effect/Metric"
import packageJson from "../../../package.json" with { type: "json" }
import type { MetricExport, MetricSource } from "./MetricExport.ts"
import { attribute, exportedName, metric } from "./Names.ts"

/** How long an export waits for gauges: with several workers another process knows the line, and it may be gone. */
const patience = "250 millis"

/** Reads the metrics of a registry, as they are at that moment. */
const reading = (registry: Context.Context<never>, complete: (data: MetricData) => MetricData) =>
  Effect.map(Effect.provide(OtelMetrics.makeProducer(), registry), (producer) => async () => {
    const { resourceMetrics } = await producer.collect()
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics.map(complete))
  })

/**
 * Effect's metrics as OpenTelemetry reads them, with what Effect has no place for: names, units, and attributes that are
 * numbers. Nothing is kept for an export but what the metrics are kept for anyway.
 */
export const makeMetricExport = Effect.gen(function* () {
  const resource = yield* Resource.Resource
  const run = yield* FiberSet.makeRuntimePromise<never, void>()
  const conventions = Context.make(Metric.MetricRegistry, new Map())
  const readers = [yield* reading(conventions, byConvention)]

  const also = ({ namespace, refresh, registry }: MetricSource) =>
    Effect.map(Effect.provideService(reading(registry, ofOurs(namespace)), Resource.Resource, resource), (read) => {
      const refreshed = refresh.pipe(
        Effect.timeoutOption(patience),
        // They are then as they were read last.
        Effect.catchDefect(() => Effect.void),
        Effect.asVoid
      )
      readers.push(() => run(refreshed).then(read))
    })

  const collect: MetricProducer["collect"] = async () => {
    const metrics = await Promise.all(readers.map((read) => read()))
    const scope = { name: packageJson.name, version: packageJson.version }
    return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: metrics.flat() }] }, errors: [] }
  }
  return { port: { conventions, also } satisfies MetricExport, producer: { collect } }
})

const ofOurs =
  (namespace: string) =>
  (data: MetricData): MetricData => ({
    ...data,
    descriptor: { ...data.descriptor, ...exportedName(namespace, data.descriptor.name) }
  })

const units = new Map<string, string>(Object.values(metric).map(({ name, unit }) => [name, unit]))

const byConvention = (data: MetricData): MetricData => {
  // They were made for this reading.
  for (const point of data.dataPoints) Object.assign(point, { attributes: withNumbers(point.attributes) })
  return { ...data, descriptor: { ...data.descriptor, unit: units.get(data.descriptor.name) ?? data.descriptor.unit } }
}

const withNumbers = (attributes: Attributes): Attributes => {
  const status = attributes[attribute.status]
  return status === undefined ? attributes : { ...attributes, [attribute.status]: Number(status) }
}
