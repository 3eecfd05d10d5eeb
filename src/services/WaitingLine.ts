import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
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
    /** Waits for a slot and keeps it until the scope closes. */
    readonly enter: Effect.Effect<Scope.Closeable, Overloaded, Scope.Scope>
    /** Whether one who came now would have to wait. */
    readonly busy: () => boolean
    readonly waiting: Effect.Effect<number>
    readonly inUse: Effect.Effect<number>
  }
>()("ai-ticket/services/WaitingLine") {
  static readonly layer = Layer.effect(
    WaitingLine,
    Effect.gen(function* () {
      const { queueLimit, slots } = yield* Settings
      const metrics = yield* Metrics
      const serviceTime = makeMovingAverage()
      const releasing = new Set<Fiber.Fiber<void>>()
      /** In the order they came: a set remembers it, and forgets one in the middle at once. */
      const waiting = new Set<Visit>()
      let inUse = 0
      metrics.readLine(() => ({ waiting: waiting.size, inUse }))

      // A slot given back behind the caller's back is still given back before the layer is gone.
      yield* Effect.addFinalizer(() => Fiber.awaitAll(releasing))

      const beginUse = (visit: Visit) => {
        visit.takenAt = millisOf(visit.clock)
        inUse += 1
        metrics.queueWait(visit.takenAt - visit.enteredAt)
        noteWait(visit)
      }

      const letNextIn = () => {
        const [next] = waiting
        if (next === undefined || inUse >= slots) return
        waiting.delete(next)
        beginUse(next)
        next.wake()
      }

      const begin = (fiber: Fiber.Fiber<unknown, unknown>): Visit => {
        const clock = fiber.getRef(Clock.Clock)
        return {
          clock,
          request: fiber.getRef(CurrentRequest),
          slot: Scope.makeUnsafe(),
          enteredAt: millisOf(clock),
          takenAt: undefined,
          wake: () => {}
        }
      }

      /** Full for one more: when the next place is likely to be free. */
      const full = () =>
        inUse + waiting.size < slots + queueLimit
          ? undefined
          : Effect.fail(new Overloaded({ retryAfterMillis: serviceTime.average() / slots }))

      /** Returns once the slot is there. From here on `leave` must follow. */
      const wait = (visit: Visit): Effect.Effect<void> => {
        if (inUse < slots && waiting.size === 0) {
          beginUse(visit)
          return Effect.void
        }
        return Effect.callback<void>((resume) => {
          waiting.add(visit)
          visit.wake = () => resume(Effect.void)
        })
      }

      /** Closes the slot, with the cleanups it holds, and lets the next one in. */
      const giveBack = (visit: Visit, exit: Exit.Exit<unknown, unknown>) =>
        Effect.ensuring(
          Scope.close(visit.slot, exit),
          Effect.sync(() => {
            inUse -= 1
            serviceTime.add(millisOf(visit.clock) - (visit.takenAt ?? 0))
            letNextIn()
          })
        )

      const leave = (visit: Visit, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
        if (visit.takenAt === undefined) {
          waiting.delete(visit)
          noteWait(visit)
          return Effect.void
        }
        if (!Exit.hasInterrupts(exit)) return giveBack(visit, exit)
        // A caller who left doesn't wait for the cleanups.
        return Effect.map(Effect.forkDetach(giveBack(visit, exit), { startImmediately: true }), (fiber) => {
          releasing.add(fiber)
          fiber.addObserver(() => releasing.delete(fiber))
        })
      }

      return WaitingLine.of({
        busy: () => inUse >= slots || waiting.size > 0,
        waiting: Effect.sync(() => waiting.size),
        inUse: Effect.sync(() => inUse),
        withSlot: <A, E, R>(self: Effect.Effect<A, E, R>) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.withFiber<A, E | Overloaded, Exclude<R, Slot>>((fiber) => {
              const refused = full()
              if (refused !== undefined) return refused
              const visit = begin(fiber)
              return Effect.flatMap(restore(wait(visit)), () =>
                restore(Effect.provideService(self, Slot, visit.slot))
              ).pipe(Effect.onExit((exit) => leave(visit, exit)))
            })
          ),
        enter: Effect.uninterruptibleMask((restore) =>
          Effect.withFiber((fiber) => {
            const refused = full()
            if (refused !== undefined) return refused
            const visit = begin(fiber)
            return restore(wait(visit)).pipe(
              Effect.onInterrupt(() => leave(visit, Exit.interrupt())),
              Effect.andThen(Effect.addFinalizer((exit) => leave(visit, exit))),
              Effect.as(visit.slot)
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
  wake: () => void
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
