import * as Latch from "effect/Latch"

/** `good` answers, `failing` was last heard to fail, and of `unknown` nothing was heard for a while. */
export type HealthState = "good" | "failing" | "unknown"

/** What was last heard of a backend, by requests and by probes. Moments are monotonic milliseconds. */
export interface Health {
  /** It gave an answer, or a part of one. */
  readonly good: (now: number) => void
  /** It couldn't be reached, told of trouble, or said nothing for too long. */
  readonly bad: (now: number) => void
  readonly state: (now: number) => HealthState
  readonly probed: (now: number) => void
  /** When it should be asked how it is; `jitter`, a number about 1, makes that sooner or later. */
  readonly probeAt: (jitter: number) => number
  /** Opens when that has become sooner. */
  readonly sooner: Latch.Latch
}

/** How long a good backend is taken at its word, where nothing else is said. */
export const usualProbeMillis = 10_000

/** How long a failing one is left alone before it is asked again, if a good one isn't asked more often. */
const usualFailingMillis = 1000

/** Of what begins now nothing is known, and it is given the time that a good one has. */
export const makeHealth = (start: number, everyMillis = usualProbeMillis): Health => {
  const failingMillis = Math.min(usualFailingMillis, everyMillis)
  const sooner = Latch.makeUnsafe(false)
  let heard = false
  let failing = false
  let heardAt = start
  let probedAt = Number.NEGATIVE_INFINITY
  const hear = (now: number, bad: boolean) => {
    const turned = bad && !failing
    heard = true
    failing = bad
    heardAt = now
    if (turned) sooner.openUnsafe()
  }
  return {
    sooner,
    good: (now) => hear(now, false),
    bad: (now) => hear(now, true),
    state: (now) => {
      if (failing) return "failing"
      // A probe that is due may be late by its jitter and by the time that it takes.
      return heard && now - heardAt < everyMillis * 1.5 ? "good" : "unknown"
    },
    probed: (now) => {
      probedAt = now
    },
    probeAt: (jitter) =>
      Math.max(probedAt + failingMillis * jitter, heardAt + jitter * (failing ? failingMillis : everyMillis))
  }
}
