import * as Resource from "@effect/opentelemetry/Resource"
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources"
import { BatchLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { AggregationTemporality, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler
} from "@opentelemetry/sdk-trace"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import packageJson from "../../../package.json" with { type: "json" }
import { Ids } from "../Ids.ts"
import { AlsoLog } from "../Logging.ts"
import { Fellows } from "../workers/Fellows.ts"
import { makeExport } from "./Export.ts"
import { MetricExport } from "./MetricExport.ts"
import { alsoToCollector } from "./OtelLog.ts"
import { makeMetricExport } from "./OtelMetricSource.ts"
import type { OtelSettings } from "./OtelSettings.ts"
import { makeTracing } from "./OtelTracing.ts"
import { Tracing } from "./Tracing.ts"
import { makeWarnings } from "./Warnings.ts"

/** How long the last export may take when the service ends: a collector that is down must not hold it up (docs/adr/0009). */
const flushTimeout = "500 millis"

/** Who tells it all. */
const scope = { name: packageJson.name, version: packageJson.version }

/** Whatever can be told to end, with all that it still has to send. */
interface Provider {
  readonly shutdown: () => Promise<void>
}

/** Traces, metrics and logs, each where it has a destination. Nothing here waits for a collector but the end. */
export const layer = (settings: OtelSettings) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { certificates, content, metricInterval, propagators, to } = settings
      const resource = yield* resourceOf(settings)
      const failed = yield* makeWarnings
      const exporters = yield* makeExport({ certificates, failed })
      const ends: Array<Provider> = []
      let context = Context.empty()

      if (to.traces !== undefined) {
        const processor = new BatchSpanProcessor({
          exporter: exporters.traces(to.traces),
          scheduledDelayMillis: settings.spanDelay,
          maxQueueSize: settings.spanQueue,
          maxExportBatchSize: settings.spanBatch
        })
        const sampler = samplerOf(settings)
        context = Context.add(
          context,
          Tracing,
          makeTracing({ processor, propagators, resource, sampler, scope, tellsContent: content })
        )
        ends.push(processor)
      }

      if (to.metrics !== undefined) {
        const exporter = exporters.metrics(to.metrics)
        const { port, producer } = yield* Effect.provideService(makeMetricExport, Resource.Resource, resource)
        const reader = new PeriodicExportingMetricReader({
          exporter: Object.assign(exporter, {
            selectAggregationTemporality: () => AggregationTemporality.CUMULATIVE
          }),
          exportIntervalMillis: metricInterval,
          exportTimeoutMillis: Math.min(metricInterval, to.metrics.timeoutMillis),
          metricProducers: [producer]
        })
        context = Context.add(context, MetricExport, port)
        ends.push(new MeterProvider({ resource, readers: [reader] }))
      }

      if (to.logs !== undefined) {
        const processor = new BatchLogRecordProcessor({
          exporter: exporters.logs(to.logs),
          scheduledDelayMillis: settings.logDelay,
          maxQueueSize: settings.logQueue,
          maxExportBatchSize: settings.logBatch
        })
        context = Context.add(context, AlsoLog, alsoToCollector({ processor, resource, scope }))
        ends.push(processor)
      }

      yield* Effect.addFinalizer(() =>
        Effect.promise(() => Promise.allSettled(ends.map((provider) => provider.shutdown()))).pipe(
          Effect.interruptible,
          Effect.timeoutOption(flushTimeout)
        )
      )
      return context
    })
  ).pipe(Layer.provide(Ids.layer))

/**
 * Each process is an instance of its own, for the counts of several workers are told apart by it: one id that they were
 * all given has the worker's own behind it.
 */
const resourceOf = Effect.fnUntraced(function* ({ resourceAttributes, serviceName }: OtelSettings) {
  const own = (yield* Ids).next()
  const { "service.instance.id": given, ...others } = resourceAttributes ?? {}
  const shared = given !== undefined && (yield* Fellows) !== undefined
  return defaultResource().merge(
    resourceFromAttributes({
      "service.version": packageJson.version,
      "service.instance.id": shared ? `${given}/${own}` : (given ?? own),
      "service.name": packageJson.name,
      ...others,
      ...(serviceName === undefined ? {} : { "service.name": serviceName })
    })
  )
})

const samplerOf = ({ sampler, samplerArg }: OtelSettings) => {
  const name = sampler.replace("parentbased_", "")
  const root =
    name === "always_on"
      ? new AlwaysOnSampler()
      : name === "always_off"
        ? new AlwaysOffSampler()
        : new TraceIdRatioBasedSampler(samplerArg)
  return name === sampler ? root : new ParentBasedSampler({ root })
}
