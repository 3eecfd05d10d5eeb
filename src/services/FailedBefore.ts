/** A backend that failed a request, and when, in monotonic milliseconds. */
export interface FailedBefore {
  readonly backend: string
  readonly at: number
}

/** Who fails a request may be well again this much later. */
const forgottenMillis = 5000

/** How often a request goes to one backend, retries there not counted. */
const timesAtMost = 2

/**
 * Which backends a request doesn't go to any more, for now: those that failed it a moment ago, and those that failed it
 * twice. One that failed it before it stood in line for another is asked again, when there is nothing better: meanwhile it
 * may have come back, and the others gone.
 */
export const exhausted = (failed: ReadonlyArray<FailedBefore>, now: number): ReadonlySet<string> =>
  new Set(
    failed
      .filter(
        ({ at, backend }) =>
          now - at < forgottenMillis || failed.filter((other) => other.backend === backend).length >= timesAtMost
      )
      .map(({ backend }) => backend)
  )
