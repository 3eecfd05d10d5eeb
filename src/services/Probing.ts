import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Breaker } from "./Breaker.ts"
import type { Health } from "./Health.ts"
import type { InferenceBackend } from "./InferenceBackend.ts"
import { Metrics } from "./Metrics.ts"
import { monotonicMillis } from "./MonotonicClock.ts"

/** A backend, and what is known and decided of it. */
export interface Probed {
  readonly backend: InferenceBackend
  readonly breaker: Breaker
  readonly health: Health
}

/**
 * Asks a backend how it is for as long as it runs, but never one that is known to be good: a request that was answered is
 * worth a probe. One that fails is asked every second, and one whose breaker is open when that may let somebody through.
 */
export const keepProbing = Effect.fnUntraced(function* ({ backend, breaker, health }: Probed) {
  const metrics = yield* Metrics
  const answers = Effect.map(backend.status, ({ reachable }) => reachable)

  /** How long until the next probe, in whole milliseconds; a fifth of it is left to chance, so that services don't ask in step. */
  const patience = Effect.fnUntraced(function* (jitter: number) {
    const openFor = yield* breaker.openFor
    // Never before a breaker's time.
    if (openFor !== undefined) return Math.ceil(openFor * Math.max(1, jitter))
    return Math.ceil(health.probeAt(jitter) - (yield* monotonicMillis))
  })

  return yield* Effect.forever(
    Effect.gen(function* () {
      const jitter = yield* Random.nextBetween(0.8, 1.2)
      for (let wait = yield* patience(jitter); wait > 0; wait = yield* patience(jitter)) {
        health.sooner.closeUnsafe()
        yield* Effect.raceFirst(Effect.sleep(wait), health.sooner.await)
      }
      const outcome = yield* breaker.probe(answers)
      if (outcome !== undefined) metrics.probe(backend.name, outcome)
    })
  )
})
