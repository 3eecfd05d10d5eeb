import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { NoBackendAvailable } from "../domain/Failure.ts"
import type { Lane } from "./Backends.ts"

/** What a choice between backends needs to know of each. */
export type Served = Pick<Lane, "load" | "slots">

/** Which backends would do: the tier of one that would, lower ones first, and nothing for others. */
export type Suits = (lane: Lane) => number | undefined

/** Of those that suit, the first tier that is up; or why there is none. */
export const choices = Effect.fnUntraced(function* (lanes: ReadonlyArray<Lane>, suits: Suits) {
  let among: ReadonlyArray<Lane> = []
  let lowest = Number.POSITIVE_INFINITY
  let refused: NoBackendAvailable | undefined
  for (const lane of lanes) {
    const tier = suits(lane)
    if (tier === undefined) continue
    const state = yield* Effect.exit(lane.breaker.check)
    if (Exit.isFailure(state)) refused = sooner(refused, state)
    else if (tier < lowest) {
      lowest = tier
      among = [lane]
    } else if (tier === lowest) among = [...among, lane]
  }
  return among.length > 0 ? among : yield* refused ?? new NoBackendAvailable({ retryAfterMillis: 1000 })
})

/** All that suit and are up, tier by tier. */
export const upTiers = Effect.fnUntraced(function* (lanes: ReadonlyArray<Lane>, suits: Suits) {
  const tiers: Array<ReadonlyArray<Lane>> = []
  let left: Suits = suits
  for (;;) {
    const among = yield* tiers.length === 0
      ? choices(lanes, left)
      : Effect.orElseSucceed(choices(lanes, left), () => [])
    if (among.length === 0) return tiers
    tiers.push(among)
    const taken = tiers.flat()
    left = (lane) => (taken.includes(lane) ? undefined : suits(lane))
  }
})

export const isFree = ({ load, slots }: Served): boolean => load.inUse() < slots

/** The one with a free slot that is likely to be done soonest. */
export const best = <L extends Served>(among: ReadonlyArray<L>): L | undefined => {
  let chosen: L | undefined
  for (const lane of among) {
    if (isFree(lane) && (chosen === undefined || lane.load.cost() < chosen.load.cost())) chosen = lane
  }
  return chosen
}

/** How many requests these are done with in a millisecond. */
export const perMilli = (among: ReadonlyArray<Served>): number =>
  among.reduce((sum, { load, slots }) => sum + slots / load.serviceMillis(), 0)

/** Whether it is known what these take, rather than guessed. */
export const knows = (among: ReadonlyArray<Served>) => among.every(({ load }) => load.known())

/** Of what several backends say, what is soonest. */
const sooner = (
  known: NoBackendAvailable | undefined,
  state: Exit.Failure<void, NoBackendAvailable>
): NoBackendAvailable | undefined => {
  const told = Option.getOrUndefined(Exit.findErrorOption(state))
  if (known === undefined || told === undefined) return told ?? known
  return told.retryAfterMillis < known.retryAfterMillis ? told : known
}
