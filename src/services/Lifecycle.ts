import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import { ShuttingDown } from "../domain/Failure.ts"
import { Settings } from "./Settings.ts"

/**
 * Whether this instance takes work, and what it has in hand.
 *
 * Draining refuses new work, lets what is in hand end within the grace period, and then cancels the rest, each with
 * its abort and an answer of `ShuttingDown`.
 */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    readonly draining: Effect.Effect<boolean>
    /** Runs as work in hand; fails with `ShuttingDown` when draining, or when the grace period ends first. */
    readonly work: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | ShuttingDown, R>
    /** Turns readiness, and returns when nothing is in hand any more. */
    readonly drain: Effect.Effect<void>
  }
>()("ai-ticket/services/Lifecycle") {
  static readonly layer = Layer.effect(
    Lifecycle,
    Effect.gen(function* () {
      const { shutdownGraceSeconds } = yield* Settings
      const cancelled = yield* Deferred.make<never, ShuttingDown>()
      const idle = yield* Latch.make(true)
      let draining = false
      let inHand = 0

      const begin = Effect.suspend(() => {
        if (draining) return Effect.fail(new ShuttingDown())
        inHand += 1
        return idle.close
      })
      const end = Effect.suspend(() => {
        inHand -= 1
        return inHand === 0 ? idle.open : Effect.void
      })

      return Lifecycle.of({
        draining: Effect.sync(() => draining),
        work: (self) =>
          Effect.acquireUseRelease(
            begin,
            () => Effect.raceFirst(self, Deferred.await(cancelled)),
            () => end
          ),
        drain: Effect.gen(function* () {
          draining = true
          yield* Effect.logInfo(`Draining: ${inHand} requests in hand`)
          yield* idle.await.pipe(
            Effect.timeoutOrElse({
              duration: shutdownGraceSeconds * 1000,
              orElse: () =>
                Effect.logWarning(`Cancelling ${inHand} requests: the grace period is over`).pipe(
                  Effect.andThen(Deferred.fail(cancelled, new ShuttingDown())),
                  Effect.andThen(idle.await)
                )
            })
          )
        })
      })
    })
  )
}
