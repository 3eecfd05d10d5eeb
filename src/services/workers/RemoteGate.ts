import * as Effect from "effect/Effect"
import { Overloaded } from "../../domain/Failure.ts"
import type { Backends, Lane } from "../Backends.ts"
import type { Gate, LineState, Refused, Visit } from "../Gate.ts"
import { choices, upTiers } from "../LaneChoice.ts"
import { millisOf } from "../MonotonicClock.ts"
import type { Fellows } from "./Fellows.ts"
import type { Entering, Offer, ToLine } from "./Packets.ts"

/**
 * A worker's way into the line that all workers of the machine share. Which backends would do is decided here, where
 * their breakers are; who may go, and to which of them, is the keeper's to say.
 */
export const makeRemoteGate = (options: {
  readonly fellows: Fellows
  readonly lanes: Backends["Service"]["lanes"]
  readonly queueLimit: number
}): Gate => {
  const { fellows, lanes, queueLimit } = options
  const { keeper } = fellows
  const visits = new Map<number, Visit>()
  const answers = new Map<number, (told: ToLine) => void>()
  let last = 0
  let inUse = 0

  fellows.onLine((told) => {
    const answer = answers.get(told.visit)
    answers.delete(told.visit)
    answer?.(told)
  })
  fellows.answer("settle", ({ backend, genkey }) => {
    const lane = lanes().find((lane) => lane.backend.name === backend)
    return Effect.as(lane?.backend.abandon?.(genkey) ?? Effect.void, null)
  })

  /**
   * Asks for one of these, the better ones first. It is on the books when this returns: the fiber may yield before it
   * waits, and what happens meanwhile must reach it.
   */
  const ask = (visit: Visit, tiers: ReadonlyArray<ReadonlyArray<Lane>>, free: boolean, deadline: number) => {
    last += 1
    const id = last
    const millisLeft = deadline - millisOf(visit.clock)
    const { client, priority } = visit
    let called: Effect.Effect<Lane, Refused> | undefined
    let settle = (effect: Effect.Effect<Lane, Refused>) => {
      called = effect
    }
    visit.settle = (effect) => settle(effect)
    visit.among = tiers.flat()
    visit.stood = true
    fellows.visits.set(visit.slot, id)
    visits.set(id, visit)
    answers.set(id, (told) => {
      if (told.tell === "refused") {
        visits.delete(id)
        return settle(Effect.fail(new Overloaded({ retryAfterMillis: told.retryAfterMillis })))
      }
      // What it waits for may have changed while this was on its way.
      const lane = [...visit.among, ...tiers.flat(), ...lanes()].find(({ backend }) => backend.name === told.lane)
      if (lane === undefined) {
        leave(visit)
        return settle(Effect.fail(new Overloaded({ retryAfterMillis: 0 })))
      }
      // Who takes one that is free isn't sure of it yet.
      if (free) settle(Effect.succeed(lane))
      else take(visit, lane)
    })
    keeper.tell({
      ...{ tell: "enter", visit: id, client, priority, free, queueLimit },
      tiers: tiers.map((tier) => tier.map(offerOf)),
      ...(Number.isFinite(millisLeft) ? { millisLeft } : {})
    } satisfies Entering)
    return Effect.callback<Lane, Refused>((resume) => {
      settle = resume
      if (called !== undefined) resume(called)
    })
  }

  const take = (visit: Visit, lane: Lane) => {
    inUse += 1
    lane.load.taken()
    visit.go(lane)
  }

  const leave = (visit: Visit, heldMillis?: number): boolean => {
    const id = fellows.visits.get(visit.slot)
    if (id === undefined || !visits.delete(id)) return false
    answers.delete(id)
    keeper.tell({ tell: "leave", visit: id, ...(heldMillis === undefined ? {} : { heldMillis }) })
    return true
  }

  /** How often everybody in line has looked again. */
  let looks = 0

  const reconsider = Effect.suspend(() => {
    looks += 1
    return Effect.forEach(
      [...visits].filter(([, { lane }]) => lane === undefined),
      ([id, visit]) =>
        Effect.match(choices(lanes(), visit.suits), {
          onFailure: (refused) => {
            if (visit.lane === undefined && leave(visit)) visit.settle(Effect.fail(refused))
          },
          onSuccess: (among) => {
            if (visit.lane !== undefined) return
            visit.among = among
            keeper.tell({ tell: "among", visit: id, among: among.map(offerOf) })
          }
        }),
      { discard: true }
    )
  })

  const wait: Gate["wait"] = (visit, deadline) => {
    const before = looks
    return Effect.flatMap(choices(lanes(), visit.suits), (among) =>
      // A fiber may yield while it looks.
      looks === before ? ask(visit, [among], false, deadline) : wait(visit, deadline)
    )
  }

  return {
    reconsider,
    left: (visit) => leave(visit),
    back: (visit, lane, heldMillis) => {
      inUse -= 1
      lane.load.served(heldMillis)
      leave(visit, heldMillis)
    },
    counts: () => ({ waiting: visits.size - inUse, inUse }),
    state: Effect.suspend(() => keeper.ask("line", lanes().map(offerOf))).pipe(
      Effect.orDie,
      Effect.map(
        ({ inUseOf, ...state }): LineState => ({ ...state, inUseOf: ({ backend }) => inUseOf[backend.name] ?? 0 })
      )
    ),
    wait,
    takeFree: Effect.fnUntraced(function* (visit, allowed) {
      const tiers = yield* upTiers(lanes(), visit.suits)
      const lane = yield* ask(visit, tiers, true, Number.POSITIVE_INFINITY)
      visit.settle = () => {}
      if (!(yield* allowed)) return yield* new Overloaded({ retryAfterMillis: 0 })
      take(visit, lane)
      return lane
    })
  }
}

const offerOf = ({ backend, slots, weight }: Lane): Offer => ({ name: backend.name, slots, weight })

/** Tells the keeper of a generation that outlives its worker, before it begins. */
export const noteGeneration = ({ keeper, visits }: Fellows, slot: object, genkey: string): void => {
  const visit = visits.get(slot)
  if (visit !== undefined) keeper.tellNow({ tell: "begun", visit, genkey })
}
