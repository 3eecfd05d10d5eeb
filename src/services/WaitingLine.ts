import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { Overloaded } from "../domain/Failure.ts"
import { Metrics } from "./Metrics.ts"
import { monotonicMillis } from "./MonotonicClock.ts"
import { Settings } from "./Settings.ts"
import { timed } from "./Stopwatch.ts"

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
      const report = () => metrics.line({ waiting: admitted - inUse, inUse })

      // A slot given back behind the caller's back is still given back before the layer is gone.
      yield* Effect.addFinalizer(() => Fiber.awaitAll(releasing))

      const enter = (slot: Scope.Closeable) =>
        Effect.gen(function* () {
          if (admitted >= slots + queueLimit) {
            const position = admitted - slots + 1
            return yield* new Overloaded({ retryAfterMillis: serviceTime.average() * (position / slots) })
          }
          admitted += 1
          yield* Scope.addFinalizer(
            slot,
            Effect.sync(() => {
              admitted -= 1
              report()
            })
          )
          report()
        })

      const take = (slot: Scope.Closeable) =>
        Effect.gen(function* () {
          const start = yield* monotonicMillis
          yield* Scope.provide(semaphore.takeScoped(1), slot)
          yield* Effect.uninterruptible(hold(slot, start))
        })

      const hold = Effect.fnUntraced(function* (slot: Scope.Closeable, start: number) {
        const taken = yield* monotonicMillis
        inUse += 1
        metrics.queueWait(taken - start)
        report()
        yield* Scope.addFinalizer(
          slot,
          Effect.map(monotonicMillis, (end) => {
            inUse -= 1
            serviceTime.add(end - taken)
          })
        )
      })

      const leave = (slot: Scope.Closeable, exit: Exit.Exit<unknown, unknown>) =>
        Exit.hasInterrupts(exit)
          ? Effect.map(Effect.forkDetach(Scope.close(slot, exit), { startImmediately: true }), (fiber) => {
              releasing.add(fiber)
              fiber.addObserver(() => releasing.delete(fiber))
            })
          : Scope.close(slot, exit)

      return WaitingLine.of({
        waiting: Effect.sync(() => admitted - inUse),
        inUse: Effect.sync(() => inUse),
        withSlot: (self) =>
          Effect.uninterruptibleMask((restore) => {
            const slot = Scope.makeUnsafe()
            return enter(slot).pipe(
              Effect.andThen(restore(timed("queue")(take(slot)))),
              Effect.andThen(restore(Effect.provideService(self, Slot, slot))),
              Effect.onExit((exit) => leave(slot, exit))
            )
          })
      })
    })
  )
}

/** What a slot is held for, in milliseconds: recent requests count most. */
const makeMovingAverage = (weight = 0.2, start = 1000) => {
  let average: number | undefined
  return {
    average: () => average ?? start,
    add: (value: number) => {
      average = average === undefined ? value : average + weight * (value - average)
    }
  }
}
