import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { Overloaded } from "../domain/Failure.ts"
import { CurrentRequest, type RequestRecord } from "./CurrentRequest.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf } from "./MonotonicClock.ts"
import { Settings } from "./Settings.ts"

/**
 * The right to use the backend. Finalizers added to it run before the next in line gets the slot: an abort that the
 * backend has yet to hear of keeps the slot taken.
 */
export class Slot extends Context.Service<Slot, Scope.Closeable>()("ai-ticket/services/WaitingLine/Slot") {}

/**
 * The line in front of the backend: so many slots, so many waiting, first come first served, and a no for the rest.
 */
export class WaitingLine extends Context.Service<
  WaitingLine,
  {
    /** Runs with a slot, after waiting for it. A full line fails with `Overloaded` at once. */
    readonly withSlot: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Overloaded, Exclude<R, Slot>>
    readonly waiting: Effect.Effect<number>
    readonly inUse: Effect.Effect<number>
  }
>()("ai-ticket/services/WaitingLine") {
  static readonly layer = Layer.effect(
    WaitingLine,
    Effect.gen(function* () {
      const { queueLimit, slots } = yield* Settings
      const metrics = yield* Metrics
      const semaphore = yield* Semaphore.make(slots)
      const serviceTime = makeMovingAverage()
      const releasing = new Set<Fiber.Fiber<void>>()
      // Everybody between the door and the given-back slot; those in use are among them.
      let admitted = 0
      let inUse = 0
      metrics.readLine(() => ({ waiting: admitted - inUse, inUse }))

      // A slot given back behind the caller's back is still given back before the layer is gone.
      yield* Effect.addFinalizer(() => Fiber.awaitAll(releasing))

      /** Closes the slot, with the cleanups it holds, and lets the next one in. */
      const giveBack = (visit: Visit, exit: Exit.Exit<unknown, unknown>) =>
        Effect.ensuring(
          Scope.close(visit.slot, exit),
          Effect.sync(() => {
            admitted -= 1
            if (visit.takenAt === undefined) return
            inUse -= 1
            serviceTime.add(millisOf(visit.clock) - visit.takenAt)
          })
        )

      const leave = (visit: Visit, exit: Exit.Exit<unknown, unknown>) => {
        if (visit.takenAt === undefined) noteWait(visit)
        if (!Exit.hasInterrupts(exit)) return giveBack(visit, exit)
        // A caller who left doesn't wait for the cleanups.
        return Effect.map(Effect.forkDetach(giveBack(visit, exit), { startImmediately: true }), (fiber) => {
          releasing.add(fiber)
          fiber.addObserver(() => releasing.delete(fiber))
        })
      }

      const beginUse = (visit: Visit) => {
        visit.takenAt = millisOf(visit.clock)
        inUse += 1
        metrics.queueWait(visit.takenAt - visit.enteredAt)
        noteWait(visit)
      }

      return WaitingLine.of({
        waiting: Effect.sync(() => admitted - inUse),
        inUse: Effect.sync(() => inUse),
        withSlot: <A, E, R>(self: Effect.Effect<A, E, R>) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.withFiber<A, E | Overloaded, Exclude<R, Slot>>((fiber) => {
              if (admitted >= slots + queueLimit) {
                // When the next place is likely to be free.
                return Effect.fail(new Overloaded({ retryAfterMillis: serviceTime.average() / slots }))
              }
              admitted += 1
              const clock = fiber.getRef(Clock.Clock)
              const visit: Visit = {
                clock,
                request: fiber.getRef(CurrentRequest),
                slot: Scope.makeUnsafe(),
                enteredAt: millisOf(clock),
                takenAt: undefined
              }
              return restore(Scope.provide(semaphore.takeScoped(1), visit.slot)).pipe(
                Effect.flatMap(() => {
                  beginUse(visit)
                  return restore(Effect.provideService(self, Slot, visit.slot))
                }),
                Effect.onExit((exit) => leave(visit, exit))
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
  readonly slot: Scope.Closeable
  readonly enteredAt: number
  takenAt: number | undefined
}

/** The time in line, whether a slot was the end of it or not. */
const noteWait = ({ clock, enteredAt, request, takenAt }: Visit) => {
  if (request !== undefined) request.queueMillis += (takenAt ?? millisOf(clock)) - enteredAt
}

/** How much the latest request counts in the average: the last ten make nine tenths of it. */
const latestWeight = 0.2

/** What a slot is thought to be held for while nobody has held one yet. */
const firstGuessMillis = 1000

/** What a slot is held for, in milliseconds: recent requests count most. */
const makeMovingAverage = () => {
  let average: number | undefined
  return {
    average: () => average ?? firstGuessMillis,
    add: (value: number) => {
      average = average === undefined ? value : average + latestWeight * (value - average)
    }
  }
}
