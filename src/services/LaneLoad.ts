import type { Lane } from "./Backends.ts"

/** How busy a backend is, and how long it takes. */
export interface LaneLoad {
  inUse: number
  /** What a slot is held for, in milliseconds: recent requests count most. */
  readonly serviceMillis: () => number
  /** Whether anybody has been served yet, so that this is more than a guess. */
  readonly known: () => boolean
  readonly served: (millis: number) => void
  /** When a request that came now would be done, beside other backends; without a unit. */
  readonly cost: () => number
}

/** How much the latest request counts in the average: the last ten make nine tenths of it. */
const latestWeight = 0.2

/** What a slot is thought to be held for while nobody has held one yet. */
const firstGuessMillis = 1000

export const makeLaneLoad = ({ slots, weight }: Pick<Lane, "slots" | "weight">): LaneLoad => {
  let average: number | undefined
  const load: LaneLoad = {
    inUse: 0,
    serviceMillis: () => average ?? firstGuessMillis,
    known: () => average !== undefined,
    served: (millis) => {
      average = average === undefined ? millis : average + latestWeight * (millis - average)
    },
    cost: () => ((load.inUse + 1) / slots) * (load.serviceMillis() / weight)
  }
  return load
}
