import { type Activity, pointCount } from "../../src/domain/Activity.ts"
import { noDurations } from "../../src/domain/Durations.ts"
import { type Standing, summarise } from "../../src/domain/Summarise.ts"

const zeros = Array.from({ length: pointCount }, () => 0)

/** Nothing done. */
export const idle: Activity = {
  since: 0,
  inFlight: 0,
  totals: { succeeded: 0, clientErrors: 0, serverErrors: 0, left: 0 },
  tokens: { input: 0, output: 0, delivered: 0, wasted: 0 },
  late: { tenSeconds: 0, minute: 0, minuteServerErrors: 0, minuteTokens: 0 },
  points: { requests: zeros, errors: zeros, succeeded: zeros, millis: zeros },
  latency: noDurations,
  firstToken: noDurations,
  recentErrors: []
}

/** A backend that is up. */
export const up = { name: "one", state: "up", breaker: "closed", health: "good", in_use: 0, slots: 2 } as const
/** All as it should be. */
export const well: Standing = {
  ready: true,
  draining: false,
  queue: { waiting: 0, in_use: 0, limit: 100, expected_wait_seconds: 0 },
  backends: [up]
}

/** A summary, of nothing done and all well but for what is given. */
export const summaryOf = (activity: Partial<Activity> = {}, standing: Partial<Standing> = {}) =>
  summarise({ ...idle, ...activity }, { ...well, ...standing })
