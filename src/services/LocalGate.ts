import * as Effect from "effect/Effect"
import { Overloaded } from "../domain/Failure.ts"
import type { Backends, Lane } from "./Backends.ts"
import type { Gate, Refused, Visit } from "./Gate.ts"
import { best, choices, isFree, type Suits } from "./LaneChoice.ts"
import { Line } from "./Line.ts"
import { millisOf } from "./MonotonicClock.ts"

/** The line of one process. `taken` hears of every slot that is taken, at once. */
export const makeLocalGate = (options: {
  readonly lanes: Backends["Service"]["lanes"]
  readonly queueLimit: number
  readonly taken: (visit: Visit, lane: Lane) => void
}): Gate => {
  const { lanes, queueLimit, taken } = options
  const line = new Line<Lane, Visit>()

  const takeFree = (visit: Visit, among: ReadonlyArray<Lane>): Lane | undefined => {
    const lane = line.takeFree(among)
    if (lane !== undefined) taken(visit, lane)
    return lane
  }

  const reconsider = Effect.suspend(() =>
    Effect.forEach(
      line.entries(),
      (visit) =>
        Effect.match(choices(lanes(), visit.suits), {
          onFailure: (refused) => {
            if (line.remove(visit)) visit.settle(Effect.fail(refused))
          },
          onSuccess: (among) => {
            visit.among = among
          }
        }),
      { discard: true }
    )
  ).pipe(Effect.andThen(Effect.sync(() => line.letIn())))

  return {
    reconsider,
    left: (visit) => line.remove(visit),
    back: (_, lane, heldMillis) => line.giveBack(lane, heldMillis),
    counts: () => ({ waiting: line.waiting, inUse: line.inUse }),
    state: Effect.sync(() => ({
      waiting: line.waiting,
      inUse: line.inUse,
      expectedWait: line.expectedWait(lanes()),
      inUseOf: ({ load }) => load.inUse()
    })),

    wait: (visit, deadline) => {
      const [only, ...others] = lanes()
      // Nothing to choose and nobody to wait for: the guard of its breaker says whether it is up.
      if (others.length === 0 && line.waiting === 0 && isFree(only) && visit.suits(only) !== undefined) {
        takeFree(visit, [only])
        return Effect.succeed(only)
      }
      return Effect.flatMap(choices(lanes(), visit.suits), (among): Effect.Effect<Lane, Refused> => {
        const free = takeFree(visit, among)
        if (free !== undefined) return Effect.succeed(free)
        return Effect.callback<Lane, Refused>((resume) => {
          visit.settle = resume
          visit.among = among
          const refused = line.join(visit, { queueLimit, millisLeft: deadline - millisOf(visit.clock) })
          if (refused !== undefined) resume(Effect.fail(refused))
        })
      })
    },

    takeFree: Effect.fnUntraced(function* (visit, allowed) {
      const suits: Suits = (lane) => (isFree(lane) ? visit.suits(lane) : undefined)
      const free = Effect.suspend(() => choices(lanes(), suits))
      const refused = new Overloaded({ retryAfterMillis: 0 })
      if (best(yield* free) === undefined) return yield* refused
      const lane = (yield* allowed) ? takeFree(visit, yield* free) : undefined
      return lane ?? (yield* refused)
    })
  }
}
