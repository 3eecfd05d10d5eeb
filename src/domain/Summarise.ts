import { type Activity, pointSeconds, windowSeconds } from "./Activity.ts"
import { type Durations, percentile } from "./Durations.ts"
import type { MetricsSummary } from "./MetricsSummary.ts"
import { statusPanels } from "./StatusPanels.ts"

/** How the instance stands at this moment. */
export interface Standing extends Pick<MetricsSummary, "backends"> {
  readonly ready: boolean
  readonly draining: boolean
  readonly queue: Omit<MetricsSummary["queue"], "slots">
}

/** The summary of what was done and how it stands. */
export const summarise = (activity: Activity, standing: Standing): MetricsSummary => {
  const { late, points, recentErrors, tokens, totals } = activity
  const { backends } = standing
  const queue = { ...standing.queue, slots: backends.reduce((sum, { slots }) => sum + slots, 0) }
  return {
    since: isoTime(activity.since),
    window_seconds: windowSeconds,
    panels: statusPanels({ ...standing, queue, late }),
    totals: {
      requests: totals.succeeded + totals.clientErrors + totals.serverErrors + totals.left,
      succeeded: totals.succeeded,
      client_errors: totals.clientErrors,
      server_errors: totals.serverErrors,
      left: totals.left,
      in_flight: activity.inFlight
    },
    latency_ms: timesOf(activity.latency),
    time_to_first_token_ms: timesOf(activity.firstToken),
    throughput: { per_second: late.tenSeconds / 10, per_minute: late.minute },
    sparkline: {
      point_seconds: pointSeconds,
      requests: points.requests,
      errors: points.errors,
      latency_ms: points.millis.map((sum, at) => averageOf(sum, points.succeeded[at] ?? 0))
    },
    tokens: { ...tokens, per_second: tenths(late.minuteTokens / 60) },
    queue,
    backends,
    recent_errors: recentErrors.map(({ at, code, millis, requestId, route, status }) => ({
      at: isoTime(at),
      ...{ code, route, status },
      duration_ms: tenths(millis),
      request_id: requestId
    }))
  }
}

const timesOf = (durations: Durations) => ({
  average: averageOf(durations.sum, durations.count),
  p50: orNull(percentile(durations, 0.5)),
  p95: orNull(percentile(durations, 0.95))
})

const averageOf = (sum: number, count: number) => (count === 0 ? null : tenths(sum / count))
const orNull = (value: number | undefined) => (value === undefined ? null : tenths(value))

const tenths = (value: number) => Math.round(value * 10) / 10

const isoTime = (millis: number) => new Date(millis).toISOString()
