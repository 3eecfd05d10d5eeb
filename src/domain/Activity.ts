import { addDurations, addEach, type Durations, noDurations } from "./Durations.ts"

/** What is known of a request that failed; nothing of what it said, and nothing of who sent it but the id. */
export interface RecentError {
  /** When it was answered, in milliseconds of the epoch. */
  readonly at: number
  /** One of the catalogue's. */
  readonly code: string
  /** The route's template. */
  readonly route: string
  readonly status: number
  readonly millis: number
  readonly requestId: string
}

/** How many failed requests are remembered. */
export const mostRecentErrors = 20

/** Of the window of the last minutes, this many points are told, each of so many seconds. */
export const pointCount = 24
export const pointSeconds = 15
export const windowSeconds = pointCount * pointSeconds

/** What was done, and what was done of late: bounded, plain numbers, so that those of several workers can be added. */
export interface Activity {
  /** Since when it is counted, in milliseconds of the epoch. */
  readonly since: number
  readonly inFlight: number
  readonly totals: {
    readonly succeeded: number
    readonly clientErrors: number
    readonly serverErrors: number
    /** Clients that left before their answer. */
    readonly left: number
  }
  readonly tokens: {
    readonly input: number
    readonly output: number
    readonly delivered: number
    readonly wasted: number
  }
  /** Requests that ended in the last ten seconds and in the last minute, the failed ones by our fault, and tokens written. */
  readonly late: {
    readonly tenSeconds: number
    readonly minute: number
    readonly minuteServerErrors: number
    readonly minuteTokens: number
  }
  /** The window in points, the oldest first: requests that ended, those that failed, and the time of those that didn't. */
  readonly points: {
    readonly requests: ReadonlyArray<number>
    readonly errors: ReadonlyArray<number>
    readonly succeeded: ReadonlyArray<number>
    readonly millis: ReadonlyArray<number>
  }
  /** The window's successful requests, and the time to the first token. */
  readonly latency: Durations
  readonly firstToken: Durations
  /** The latest first. */
  readonly recentErrors: ReadonlyArray<RecentError>
}

/** Adds what two have done. */
export const addActivities = (one: Activity, other: Activity): Activity => ({
  since: Math.min(one.since, other.since),
  inFlight: one.inFlight + other.inFlight,
  totals: addFields(one.totals, other.totals),
  tokens: addFields(one.tokens, other.tokens),
  late: addFields(one.late, other.late),
  points: {
    requests: addEach(one.points.requests, other.points.requests),
    errors: addEach(one.points.errors, other.points.errors),
    succeeded: addEach(one.points.succeeded, other.points.succeeded),
    millis: addEach(one.points.millis, other.points.millis)
  },
  latency: addDurations(one.latency, other.latency),
  firstToken: addDurations(one.firstToken, other.firstToken),
  recentErrors: [...one.recentErrors, ...other.recentErrors]
    .sort((left, right) => right.at - left.at)
    .slice(0, mostRecentErrors)
})

/** What stays of somebody who is no more: what was counted, for a total must not fall, and the errors. */
export const ofTheDeparted = (activity: Activity): Activity => ({
  ...activity,
  inFlight: 0,
  late: { tenSeconds: 0, minute: 0, minuteServerErrors: 0, minuteTokens: 0 },
  points: { requests: [], errors: [], succeeded: [], millis: [] },
  latency: noDurations,
  firstToken: noDurations
})

const addFields = <Fields extends Readonly<Record<keyof Fields, number>>>(one: Fields, other: Fields): Fields => {
  const sum = { ...one }
  for (const name of Object.keys(one) as Array<keyof Fields>) Object.assign(sum, { [name]: one[name] + other[name] })
  return sum
}
