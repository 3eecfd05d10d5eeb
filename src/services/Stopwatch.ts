import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { monotonicMillis } from "./MonotonicClock.ts"

/** Where a request spends its time: waiting in line, or with the backend. */
export type Phase = "queue" | "backend"

/** The milliseconds that one request spent in each phase; whoever asks for an inference may hand one in. */
export class Stopwatch {
  readonly millis: Record<Phase, number> = { queue: 0, backend: 0 }
}

/** The stopwatch of the request in hand, if anyone reads it. */
export const CurrentStopwatch = Context.Reference<Stopwatch | undefined>("ai-ticket/CurrentStopwatch", {
  defaultValue: () => undefined
})

/** Adds the time that `self` takes to a phase of the current request, however it ends. */
export const timed =
  (phase: Phase) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const stopwatch = yield* CurrentStopwatch
      if (stopwatch === undefined) return yield* self
      const start = yield* monotonicMillis
      return yield* Effect.onExit(self, () =>
        Effect.map(monotonicMillis, (end) => {
          stopwatch.millis[phase] += end - start
        })
      )
    })
