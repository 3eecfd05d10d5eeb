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

  /** How often everybody in line has looked again. */
  let looks = 0

  const reconsider = Effect.suspend(() => {
    looks += 1
    return Effect.forEach(
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
  }).pipe(Effect.andThen(Effect.sync(() => line.letIn())))

  const wait: Gate["wait"] = (visit, deadline) => {
    const [only, ...others] = lanes()
    // Nothing to choose and nobody to wait for: the guard of its breaker says whether it is up.
    if (others.length === 0 && line.waiting === 0 && isFree(only) && visit.suits(only) !== undefined) {
      takeFree(visit, [only])
      return Effect.succeed(only)
    }
    const before = looks
    return Effect.flatMap(choices(lanes(), visit.suits), (among): Effect.Effect<Lane, Refused> => {
      // A fiber may yield while it looks. From here on it doesn't, until it stands in line.
      if (looks !== before) return wait(visit, deadline)
      const free = takeFree(visit, among)
      if (free !== undefined) return Effect.succeed(free)
      let called: Effect.Effect<Lane, Refused> | undefined
      visit.settle = (effect) => {
        called = effect
      }
      visit.among = among
      const refused = line.join(visit, { queueLimit, millisLeft: deadline - millisOf(visit.clock) })
      if (refused !== undefined) return Effect.fail(refused)
      visit.stood = true
      return Effect.callback<Lane, Refused>((resume) => {
        visit.settle = resume
        if (called !== undefined) resume(called)
      })
    })
  }

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

    wait,

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
