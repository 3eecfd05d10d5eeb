import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as RcMap from "effect/RcMap"

/** Runs it, or waits for one with that key that runs already; the second is told which of both. */
export type Coalesce<A, E> = <B, E2, R2>(
  key: string,
  run: Effect.Effect<A, E>,
  waiting: (answer: Effect.Effect<A, E>, joined: boolean) => Effect.Effect<B, E2, R2>
) => Effect.Effect<B, E2, R2>

/**
 * Lets those who ask for the same at the same time share one run of it. What comes of it, a failure too, is everybody's.
 * Whoever leaves, leaves alone: the run is interrupted when the last one does.
 *
 * It runs with the context of whoever began it, and a deadline that lets nobody down must be set by the caller.
 */
export const makeCoalesce = <A, E = never>() =>
  Effect.map(
    RcMap.make({ lookup: (flight: Flight<A, E>) => flight.run }),
    (flights): Coalesce<A, E> =>
      (key, run, waiting) => {
        const flight = new Flight(key, run)
        return Effect.flatMap(RcMap.has(flights, flight), (joined) =>
          waiting(Effect.scoped(RcMap.get(flights, flight)), joined)
        )
      }
  )

/** A run under way; two with one key are the same to the map that holds them. */
class Flight<A, E> implements Equal.Equal {
  readonly key: string
  readonly run: Effect.Effect<A, E>

  constructor(key: string, run: Effect.Effect<A, E>) {
    this.key = key
    this.run = run
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof Flight && that.key === this.key
  }

  [Hash.symbol](): number {
    return Hash.string(this.key)
  }
}
