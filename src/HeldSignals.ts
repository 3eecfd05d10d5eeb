import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

/** How often each of the signals came that are wishes to a service, counted since the process began. */
export type HeldSignals = Readonly<Record<"SIGHUP" | "SIGUSR2", number>>

/** A tick for each signal of that kind: for those that came while nobody listened yet, and for each that comes. */
export const ticksOf = (held: HeldSignals, signal: keyof HeldSignals): Stream.Stream<void> =>
  Stream.callback<void>((queue) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const onSignal = () => Queue.offerUnsafe(queue, undefined)
        for (let missed = held[signal]; missed > 0; missed -= 1) onSignal()
        process.on(signal, onSignal)
        return onSignal
      }),
      (onSignal) => Effect.sync(() => process.off(signal, onSignal))
    )
  )
