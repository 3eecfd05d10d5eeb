/**
 * How long things took, in buckets that grow by a tenth: as many numbers however much was measured, and two of them can be
 * added.
 */
export interface Durations {
  readonly count: number
  /** Milliseconds in all. */
  readonly sum: number
  /** How many fell into each of `bucketCount` buckets. */
  readonly buckets: ReadonlyArray<number>
}

/** Eight buckets for each doubling: from a millisecond to a quarter of an hour, and what is beyond in the last one. */
const perDoubling = 8
export const bucketCount = 162

export const noDurations: Durations = { count: 0, sum: 0, buckets: [] }

/** The bucket of a duration: the first is for all below a millisecond. */
export const bucketOf = (millis: number): number =>
  millis < 1 ? 0 : Math.min(bucketCount - 1, 1 + Math.floor(Math.log2(millis) * perDoubling))

const lowerEnd = (bucket: number): number => (bucket === 0 ? 0 : 2 ** ((bucket - 1) / perDoubling))

export const addDurations = (one: Durations, other: Durations): Durations => ({
  count: one.count + other.count,
  sum: one.sum + other.sum,
  buckets: addEach(one.buckets, other.buckets)
})

/** Adds number by number; what the shorter list lacks is nothing. */
export const addEach = (one: ReadonlyArray<number>, other: ReadonlyArray<number>): ReadonlyArray<number> =>
  Array.from({ length: Math.max(one.length, other.length) }, (_, at) => (one[at] ?? 0) + (other[at] ?? 0))

/**
 * The duration that a share of all stays within, to a tenth: where it lies in its bucket isn't known, and taken to be in
 * proportion. Undefined where nothing was measured.
 */
export const percentile = ({ buckets, count }: Durations, share: number): number | undefined => {
  let left = share * count
  for (const [bucket, found] of buckets.entries()) {
    if (found === 0) continue
    if (left <= found) {
      const from = lowerEnd(bucket)
      return from + ((lowerEnd(bucket + 1) - from) * left) / found
    }
    left -= found
  }
  return undefined
}
