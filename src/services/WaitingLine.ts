import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type NoBackendAvailable, Overloaded } from "../domain/Failure.ts"
import { FairQueue } from "../domain/FairQueue.ts"
import type { Priority } from "../domain/Priority.ts"
import { Backends, type Lane } from "./Backends.ts"
import { CurrentRequest, type RequestRecord, shareOf } from "./CurrentRequest.ts"
import { Deadline } from "./Deadline.ts"
import { best, choices, isFree, knows, perMilli, type Suits } from "./LaneChoice.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf } from "./MonotonicClock.ts"
import { Settings } from "./Settings.ts"

/**
 * The right to use a backend. Finalizers added to it run before the next in line gets the slot: an abort that the
 * backend has yet to hear of keeps the slot taken.
 */
export class Slot extends Context.Service<Slot, Scope.Closeable>()("ai-ticket/services/WaitingLine/Slot") {}

/** A slot, and whose it is. */
export interface Place {
  readonly lane: Lane
  readonly slot: Scope.Closeable
}

type Refused = Overloaded | NoBackendAvailable

/**
 * The one line in front of all backends: so many slots each, so many waiting, fair between clients, and a no for the
 * rest. Whoever may go gets the backend of the first tier that is up and likely to be done with him soonest.
 */
export class WaitingLine extends Context.Service<
  WaitingLine,
  {
    /** Runs with a slot of a backend that suits, after waiting for it. */
    readonly withSlot: <A, E, R>(
      suits: Suits,
      use: (lane: Lane) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | Refused, Exclude<R, Slot>>
    /** Runs with a slot that is free now, if there is one and then `allowed` says yes; it never waits for one. */
    readonly withFreeSlot: <A, E, R>(
      suits: Suits,
      allowed: Effect.Effect<boolean>,
      use: (lane: Lane) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | Refused, Exclude<R, Slot>>
    /** Waits for a slot and keeps it until the scope closes. */
    readonly enter: (suits: Suits) => Effect.Effect<Place, Refused, Scope.Scope>
    readonly waiting: Effect.Effect<number>
    readonly inUse: Effect.Effect<number>
    /** How long one who came now would wait, in milliseconds. */
    readonly expectedWait: Effect.Effect<number>
  }
>()("ai-ticket/services/WaitingLine") {
  static readonly layer = Layer.effect(
    WaitingLine,
    Effect.gen(function* () {
      const { queueLimit } = yield* Settings
      const { changes, lanes } = yield* Backends
      const metrics = yield* Metrics
      const queue = new FairQueue<Visit>()
      /** Retired ones too, until the last request is done with them. */
      let inUse = 0
      metrics.readLine(() => ({ waiting: queue.size, inUse }))

      const releasing = new Set<Fiber.Fiber<void>>()
      // A slot given back behind the caller's back is still given back before the layer is gone.
      yield* Effect.addFinalizer(() => Fiber.awaitAll(releasing))

      const expectedWait = (among: ReadonlyArray<Lane>): number => {
        if (best(among) !== undefined && queue.size === 0) return 0
        return (queue.size + 1) / perMilli(among)
      }

      const begin = (fiber: Fiber.Fiber<unknown, unknown>, suits: Suits): Visit => {
        const clock = fiber.getRef(Clock.Clock)
        const request = fiber.getRef(CurrentRequest)
        return {
          ...{ clock, request, slot: Scope.makeUnsafe(), enteredAt: millisOf(clock) },
          client: request === undefined ? "" : shareOf(request),
          priority: request?.priority ?? "normal",
          suits,
          lanes: [],
          lane: undefined,
          takenAt: undefined,
          settle: () => {}
        }
      }

      const take = (visit: Visit, lane: Lane) => {
        visit.lane = lane
        visit.takenAt = millisOf(visit.clock)
        lane.load.taken()
        inUse += 1
        metrics.queueWait(visit.takenAt - visit.enteredAt)
        noteWait(visit)
      }

      /** Lets in whoever may go, as long as there is somebody. */
      const letIn = () => {
        for (;;) {
          const next = queue.next((visit) => best(visit.lanes) !== undefined)
          const lane = next === undefined ? undefined : best(next.lanes)
          if (next === undefined || lane === undefined) return
          take(next, lane)
          next.settle(Effect.succeed(lane))
        }
      }

      /** Looks again at what everybody waits for: a backend has come or gone. */
      const reconsider = Effect.suspend(() =>
        Effect.forEach(
          queue.entries(),
          (visit) =>
            Effect.match(choices(lanes(), visit.suits), {
              onFailure: (refused) => {
                if (queue.remove(visit)) visit.settle(Effect.fail(refused))
              },
              onSuccess: (among) => {
                visit.lanes = among
              }
            }),
          { discard: true }
        )
      ).pipe(Effect.andThen(Effect.sync(letIn)))
      yield* Effect.forkScoped(
        Stream.runForEach(changes, () => reconsider),
        { startImmediately: true }
      )

      /** Returns with a slot. Once it has been called, `leave` must follow, whatever comes of it. */
      const wait = (visit: Visit, deadline: number): Effect.Effect<Lane, Refused> => {
        const [only, ...others] = lanes()
        // Nothing to choose and nobody to wait for: the guard of its breaker says whether it is up.
        if (others.length === 0 && queue.size === 0 && best([only]) !== undefined && visit.suits(only) !== undefined) {
          take(visit, only)
          return Effect.succeed(only)
        }
        return Effect.flatMap(choices(lanes(), visit.suits), (among): Effect.Effect<Lane, Refused> => {
          const free = best(among)
          // Those who wait wait for other backends, or they would have gone.
          if (free !== undefined) {
            take(visit, free)
            return Effect.succeed(free)
          }
          if (queue.size >= queueLimit) return Effect.fail(new Overloaded({ retryAfterMillis: 1 / perMilli(among) }))
          const expected = expectedWait(among)
          const left = deadline - millisOf(visit.clock)
          // Better told at once than after its time is up: it would wait for nothing.
          if (expected > left && knows(among)) {
            return Effect.fail(new Overloaded({ retryAfterMillis: expected - left }))
          }
          visit.lanes = among
          return Effect.callback<Lane, Refused>((resume) => {
            visit.settle = resume
            queue.add(visit)
          })
        })
      }

      /** Of whatever tier: who waits in line waits for others, or would have gone. */
      const takeFree = (visit: Visit, allowed: Effect.Effect<boolean>) => {
        const suits: Suits = (lane) => (isFree(lane) ? visit.suits(lane) : undefined)
        const free = Effect.map(
          Effect.suspend(() => choices(lanes(), suits)),
          best
        )
        return Effect.gen(function* () {
          yield* free
          const lane = (yield* allowed) ? yield* free : undefined
          if (lane === undefined) return yield* new Overloaded({ retryAfterMillis: 0 })
          take(visit, lane)
          return lane
        })
      }

      /** Closes the slot, with the cleanups it holds, and lets the next one in. */
      const giveBack = (visit: Visit, lane: Lane, exit: Exit.Exit<unknown, unknown>) =>
        Effect.ensuring(
          Scope.close(visit.slot, exit),
          Effect.sync(() => {
            inUse -= 1
            lane.load.served(millisOf(visit.clock) - (visit.takenAt ?? 0))
            letIn()
          })
        )

      const leave = (visit: Visit, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
        if (visit.lane === undefined) {
          if (queue.remove(visit)) noteWait(visit)
          return Effect.void
        }
        if (!Exit.hasInterrupts(exit)) return giveBack(visit, visit.lane, exit)
        // A caller who left doesn't wait for the cleanups.
        const given = giveBack(visit, visit.lane, exit)
        return Effect.map(Effect.forkDetach(given, { startImmediately: true }), (fiber) => {
          releasing.add(fiber)
          fiber.addObserver(() => releasing.delete(fiber))
        })
      }

      const within = <A, E, R>(
        suits: Suits,
        enter: (visit: Visit, deadline: number) => Effect.Effect<Lane, Refused>,
        use: (lane: Lane) => Effect.Effect<A, E, R>
      ) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.withFiber<A, E | Refused, Exclude<R, Slot>>((fiber) => {
            const visit = begin(fiber, suits)
            return Effect.flatMap(restore(enter(visit, fiber.getRef(Deadline))), (lane) =>
              restore(Effect.provideService(use(lane), Slot, visit.slot))
            ).pipe(Effect.onExit((exit) => leave(visit, exit)))
          })
        )

      return WaitingLine.of({
        waiting: Effect.sync(() => queue.size),
        inUse: Effect.sync(() => inUse),
        expectedWait: Effect.sync(() => expectedWait(lanes())),
        withSlot: (suits, use) => within(suits, wait, use),
        withFreeSlot: (suits, allowed, use) => within(suits, (visit) => takeFree(visit, allowed), use),
        enter: (suits) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.withFiber((fiber) => {
              const visit = begin(fiber, suits)
              return restore(wait(visit, fiber.getRef(Deadline))).pipe(
                Effect.onError(() => leave(visit, Exit.interrupt())),
                // Whoever closes it has his answer, and doesn't wait for the cleanups either.
                Effect.tap(() => Effect.addFinalizer(() => leave(visit, Exit.interrupt()))),
                Effect.map((lane) => ({ lane, slot: visit.slot }))
              )
            })
          )
      })
    })
  )
}

interface Visit {
  readonly clock: Clock.Clock
  readonly request: RequestRecord | undefined
  readonly client: string
  readonly priority: Priority
  readonly slot: Scope.Closeable
  readonly enteredAt: number
  /** What it waits for. */
  readonly suits: Suits
  lanes: ReadonlyArray<Lane>
  lane: Lane | undefined
  takenAt: number | undefined
  settle: (effect: Effect.Effect<Lane, Refused>) => void
}

/** The time in line, whether a slot was the end of it or not. */
const noteWait = ({ clock, enteredAt, request, takenAt }: Visit) => {
  if (request !== undefined) request.queueMillis += (takenAt ?? millisOf(clock)) - enteredAt
}
