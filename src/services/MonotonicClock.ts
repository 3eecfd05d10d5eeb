import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds on a clock that never jumps: for durations and deadlines, never for dates. */
export const monotonicMillis: Effect.Effect<number> = Effect.clockWith((clock) => Effect.succeed(millisOf(clock)))

/** The same, read in the middle of a calculation. */
export const millisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000
