import * as Latch from "effect/Latch"

/** How busy a backend is, and how long it takes. */
export interface LaneLoad {
  readonly inUse: () => number
  readonly taken: () => void
  /** A slot was given back after so many milliseconds; undefined says nothing of how long one takes. */
  readonly served: (millis: number | undefined) => void
  /** What a slot is held for, in milliseconds: recent requests count most. */
  readonly serviceMillis: () => number
  /** Whether anybody has been served yet, so that this is more than a guess. */
  readonly known: () => boolean
  /** When a request that came now would be done, beside other backends; without a unit. */
  readonly cost: () => number
  /** Open while nobody uses it. */
  readonly idle: Latch.Latch
  /** Goes on with what it is fit for now. */
  readonly reshape: (shape: Shape) => void
}

interface Shape {
  readonly slots: number
  readonly weight: number
}

/** How much the latest request counts in the average: the last ten make nine tenths of it. */
const latestWeight = 0.2

/** What a slot is thought to be held for while nobody has held one yet. */
const firstGuessMillis = 1000

/** What a backend is fit for, as it is when it is asked for. */
export const makeLaneLoad = (initial: Shape): LaneLoad => {
  let shape = initial
  const idle = Latch.makeUnsafe(true)
  let inUse = 0
  let average: number | undefined
  const serviceMillis = () => average ?? firstGuessMillis
  return {
    idle,
    reshape: (next) => {
      shape = next
    },
    serviceMillis,
    inUse: () => inUse,
    taken: () => {
      inUse += 1
      idle.closeUnsafe()
    },
    served: (millis) => {
      inUse -= 1
      if (inUse === 0) idle.openUnsafe()
      if (millis === undefined) return
      average = average === undefined ? millis : average + latestWeight * (millis - average)
    },
    known: () => average !== undefined,
    cost: () => ((inUse + 1) / shape.slots) * (serviceMillis() / shape.weight)
  }
}
