import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import type { Activity } from "../domain/Activity.ts"
import { alsoOfLate } from "./ActivityRecorder.ts"
import { ActivityRings, type Ended } from "./ActivityRings.ts"
import type { Recorder } from "./Recorder.ts"
import { makeRecorder } from "./RegistryRecorder.ts"
import { Settings } from "./Settings.ts"
import { alsoByConvention } from "./telemetry/ConventionMetrics.ts"
import { MetricExport } from "./telemetry/MetricExport.ts"
import { Fellows } from "./workers/Fellows.ts"
import { contributeActivity, summedActivity } from "./workers/SummedActivity.ts"
import { contributeMetrics, summedMetrics } from "./workers/SummedMetrics.ts"

/**
 * Metrics under `METRICS_NAMESPACE`, each instance with a registry of its own.
 *
 * Labels come from closed sets alone: nothing that a client or a backend sends becomes one.
 */
export class Metrics extends Context.Service<
  Metrics,
  Recorder & {
    /** All series in Prometheus' text format 0.0.4. */
    readonly render: Effect.Effect<string>
    /** A request that asked a model for something has ended. */
    readonly ended: (request: Ended) => void
    /** What was done of late, by all workers. */
    readonly activity: Effect.Effect<Activity>
  }
>()("ai-ticket/services/Metrics") {
  static readonly layer = Layer.effect(
    Metrics,
    Effect.gen(function* () {
      const { metricsNamespace } = yield* Settings
      const context = Context.make(Metric.MetricRegistry, new Map())
      const exporting = yield* MetricExport
      const plain = makeRecorder(context)
      const told = exporting === undefined ? plain : alsoByConvention(plain, exporting.conventions)
      yield* exporting?.also({ registry: context, namespace: metricsNamespace, refresh: plain.gauges }) ?? Effect.void
      const rings = new ActivityRings(yield* Clock.Clock)
      const recorder = alsoOfLate(told, rings)
      const own = Effect.map(recorder.gauges, () =>
        PrometheusMetrics.formatUnsafe(context, { prefix: metricsNamespace })
      )
      const done = Effect.sync(() => rings.activity())
      const ended = (request: Ended) => rings.ended(request)
      const fellows = yield* Fellows
      if (fellows === undefined) return Metrics.of({ ...recorder, ended, render: own, activity: done })
      yield* contributeMetrics(fellows, own)
      yield* contributeActivity(fellows, done)
      return Metrics.of({ ...recorder, ended, render: summedMetrics(fellows), activity: summedActivity(fellows, done) })
    })
  )
}
