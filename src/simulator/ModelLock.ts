import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

/** The model is taken and so is every place in the line. */
export class Busy extends Data.TaggedError("Busy") {}

/** The one model, which serves so many requests at a time, and the line before it. */
export interface ModelLock {
  /** Runs when it is its turn; fails at once when it may not even wait. */
  readonly withTurn: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Busy, R>
  readonly waiting: () => number
  readonly idle: () => boolean
}

/**
 * Without a line the real lock outlives its answer by so many milliseconds, and a request that comes right behind
 * another is turned away. With a line that only costs the next one a short wait, which is left out here.
 */
const lingerMillis = 50

/** A lock with so many slots, and so many places to wait. */
export const makeModelLock = Effect.fnUntraced(function* (slots: number, places: number) {
  const scope = yield* Effect.scope
  const model = yield* Semaphore.make(slots)
  let waiting = 0
  let taken = 0

  const giveBack = Effect.suspend(() => {
    taken -= 1
    return model.release(1)
  })
  const release =
    places > 0 ? giveBack : Effect.asVoid(Effect.forkIn(Effect.ensuring(Effect.sleep(lingerMillis), giveBack), scope))

  const hold = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      taken += 1
      return self
    })

  const lock: ModelLock = {
    waiting: () => waiting,
    idle: () => taken === 0,
    withTurn: <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.uninterruptibleMask((restore): Effect.Effect<A, E | Busy, R> => {
        const useTurn = Effect.ensuring(restore(hold(self)), release)
        if (waiting >= places) {
          return Effect.flatMap(
            Semaphore.takeIfAvailable(model, 1),
            (free): Effect.Effect<A, E | Busy, R> => (free ? useTurn : new Busy())
          )
        }
        waiting += 1
        const leaveLine = Effect.sync(() => {
          waiting -= 1
        })
        return restore(Semaphore.take(model, 1)).pipe(Effect.ensuring(leaveLine), Effect.andThen(useTurn))
      })
  }
  return lock
})
