import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** Counts the fibers that run of what is run under it, and of all that it forks. */
export const countedFibers = () => {
  let running = 0
  const counter: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => {
      running += 1
    },
    recordFiberEnd: () => {
      running -= 1
    }
  }
  return { running: () => running, counted: Effect.provideService(Metric.FiberRuntimeMetrics, counter) }
}
