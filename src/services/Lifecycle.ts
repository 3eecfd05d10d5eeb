import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import { counted } from "../domain/Counted.ts"
import { ShuttingDown } from "../domain/Failure.ts"
import { Bag } from "./Bag.ts"
import type { Ending } from "./Ending.ts"
import { Settings } from "./Settings.ts"
import { Fellows } from "./workers/Fellows.ts"

/**
 * Whether this instance takes work, and what it has in hand.
 *
 * Draining refuses new work, lets what is in hand end within the grace period, and then ends the rest, each with its
 * abort and an answer of `ShuttingDown`.
 */
export class Lifecycle extends Context.Service<
  Lifecycle,
  {
    readonly draining: () => boolean
    /** Whether connections should go: it drains, or another worker has taken its place. */
    readonly leaving: () => boolean
    /** Runs as work in hand, which must heed the ending; fails with `ShuttingDown` when draining. */
    readonly work: <A, E, R>(
      self: (ending: Ending<ShuttingDown>) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | ShuttingDown, R>
    /** Turns readiness, and returns when nothing is in hand any more. */
    readonly drain: Effect.Effect<void>
  }
>()("ai-ticket/services/Lifecycle") {
  static readonly layer = Layer.effect(
    Lifecycle,
    Effect.gen(function* () {
      const { shutdownGraceSeconds } = yield* Settings
      const idle = yield* Latch.make(true)
      const told = new Bag<(error: ShuttingDown) => void>()
      let draining = false
      let retired = false
      let cancelled = false
      let inHand = 0

      /** The end of the grace period; whoever asks after it is told at once. */
      const ending: Ending<ShuttingDown> = (end) => {
        if (!cancelled) return told.add(end)
        end(new ShuttingDown())
        return () => {}
      }

      const cancel = Effect.sync(() => {
        cancelled = true
        for (const end of told.values()) end(new ShuttingDown())
      })

      const leave = () => {
        inHand -= 1
        if (inHand === 0) idle.openUnsafe()
      }

      const fellows = yield* Fellows
      if (fellows !== undefined) {
        const retire = Effect.sync(() => {
          retired = true
        })
        yield* Effect.forkScoped(Effect.andThen(fellows.retired, retire), { startImmediately: true })
      }

      return Lifecycle.of({
        draining: () => draining,
        leaving: () => draining || retired,
        work: <A, E, R>(self: (ending: Ending<ShuttingDown>) => Effect.Effect<A, E, R>) =>
          Effect.suspend((): Effect.Effect<A, E | ShuttingDown, R> => {
            if (draining) return Effect.fail(new ShuttingDown())
            let entered = false
            const held = Effect.suspend(() => {
              entered = true
              inHand += 1
              idle.closeUnsafe()
              return self(ending)
            })
            return Effect.onExit(held, () => {
              if (entered) leave()
              return Effect.void
            })
          }),
        drain: Effect.gen(function* () {
          draining = true
          yield* Effect.logInfo(`Draining: ${counted(inHand, "request")} in hand`)
          yield* idle.await.pipe(
            Effect.timeoutOrElse({
              duration: shutdownGraceSeconds * 1000,
              orElse: () =>
                Effect.logWarning(`Cancelling ${counted(inHand, "request")}: the grace period is over`).pipe(
                  Effect.andThen(cancel),
                  Effect.andThen(idle.await)
                )
            })
          )
        })
      })
    })
  )
}
