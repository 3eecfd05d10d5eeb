import type * as Clock from "effect/Clock"
import {
  type Activity,
  mostRecentErrors,
  pointCount,
  pointSeconds,
  type RecentError,
  windowSeconds
} from "../domain/Activity.ts"
import { bucketCount, bucketOf, type Durations } from "../domain/Durations.ts"
import { millisOf } from "./MonotonicClock.ts"
import { Ring } from "./Ring.ts"

/** A request that has ended. */
export interface Ended {
  readonly route: string
  /** What it was told, or would have been, had its answer not begun before it failed. */
  readonly status: number
  /** Undefined where it succeeded. */
  readonly code: string | undefined
  readonly requestId: string
  readonly millis: number
}

/** A client that closed the connection before its answer, as nginx numbers it; nobody gets to see this status. */
export const clientClosedRequest = 499

/** What is counted of each second. */
const [requests, succeeded, errors, serverErrors, time, tokensWritten] = [0, 1, 2, 3, 4, 5]

const points = Array.from({ length: pointCount }, (_, at) => pointCount - 1 - at)

/**
 * What was done of late, in rings of a fixed size: a few additions for each request, and as much memory after a year as
 * after a minute. Plain calls, as those of `Metrics` are.
 */
export class ActivityRings {
  readonly #clock: Clock.Clock
  readonly #since: number
  readonly #totals = { succeeded: 0, clientErrors: 0, serverErrors: 0, left: 0 }
  readonly #tokens = { input: 0, output: 0, delivered: 0, wasted: 0 }
  readonly #seconds = new Ring({ length: windowSeconds, width: 6 })
  readonly #latency = new Ring({ length: pointCount, width: bucketCount + 1 })
  readonly #firstToken = new Ring({ length: pointCount, width: bucketCount + 1 })
  readonly #recentErrors: Array<RecentError> = []
  #errorsSeen = 0
  #inFlight = 0

  constructor(clock: Clock.Clock) {
    this.#clock = clock
    this.#since = clock.currentTimeMillisUnsafe()
  }

  begun(): void {
    this.#inFlight += 1
  }

  over(): void {
    this.#inFlight -= 1
  }

  ended(request: Ended): void {
    const { code, millis, status } = request
    const second = this.#second()
    this.#seconds.add(second, requests, 1)
    if (code === undefined) {
      this.#totals.succeeded += 1
      this.#seconds.add(second, succeeded, 1)
      this.#seconds.add(second, time, millis)
      measure(this.#latency, second, millis)
      return
    }
    if (status === clientClosedRequest) {
      this.#totals.left += 1
      return
    }
    this.#seconds.add(second, errors, 1)
    this.#totals[status < 500 ? "clientErrors" : "serverErrors"] += 1
    if (status >= 500) this.#seconds.add(second, serverErrors, 1)
    this.#recentErrors[this.#errorsSeen % mostRecentErrors] = {
      at: this.#clock.currentTimeMillisUnsafe(),
      ...{ code, status, millis },
      route: request.route,
      requestId: request.requestId
    }
    this.#errorsSeen += 1
  }

  firstToken(millis: number): void {
    measure(this.#firstToken, this.#second(), millis)
  }

  tokens(input: number, output: number): void {
    this.#tokens.input += input
    this.#tokens.output += output
  }

  generated(fate: "delivered" | "wasted", tokens: number): void {
    this.#tokens[fate] += tokens
    this.#seconds.add(this.#second(), tokensWritten, tokens)
  }

  activity(): Activity {
    const now = this.#second()
    const late = (field: number, seconds: number) => this.#seconds.sum(field, now, seconds)
    const pointsOf = (field: number) =>
      points.map((age) => this.#seconds.sum(field, now - age * pointSeconds, pointSeconds))
    return {
      since: this.#since,
      inFlight: this.#inFlight,
      totals: { ...this.#totals },
      tokens: { ...this.#tokens },
      late: {
        tenSeconds: late(requests, 10),
        minute: late(requests, 60),
        minuteServerErrors: late(serverErrors, 60),
        minuteTokens: late(tokensWritten, 60)
      },
      points: {
        requests: pointsOf(requests),
        errors: pointsOf(errors),
        succeeded: pointsOf(succeeded),
        millis: pointsOf(time)
      },
      latency: measured(this.#latency, now),
      firstToken: measured(this.#firstToken, now),
      recentErrors: this.#recentErrors.toSorted((left, right) => right.at - left.at)
    }
  }

  #second(): number {
    return Math.floor(millisOf(this.#clock) / 1000)
  }
}

/** The last field holds the sum. */
const measure = (ring: Ring, second: number, millis: number): void => {
  const slot = Math.floor(second / pointSeconds)
  ring.add(slot, bucketOf(millis), 1)
  ring.add(slot, bucketCount, millis)
}

const measured = (ring: Ring, second: number): Durations => {
  const over = (field: number) => ring.sum(field, Math.floor(second / pointSeconds), pointCount)
  const buckets = Array.from({ length: bucketCount }, (_, bucket) => over(bucket))
  return { count: buckets.reduce((sum, found) => sum + found, 0), sum: over(bucketCount), buckets }
}
