import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export interface MovableClock {
  /** Runs it with this clock, and whatever it forks. */
  readonly seen: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Sets the time of day, as an operator or NTP does: by so many milliseconds, and no time passes. */
  readonly setTimeOfDay: (byMillis: number) => void
  /** Lets so many milliseconds pass; sleeps that have begun don't notice. */
  readonly pass: (millis: number) => void
}

/** The test's clock, live or not, whose two times can be moved apart from each other. */
export const movableClock: Effect.Effect<MovableClock> = Effect.clockWith((base) =>
  Effect.sync(() => {
    let timeOfDay = 0
    let passed = 0
    const nanos = (millis: number) => BigInt(Math.round(millis * 1_000_000))
    const currentTimeMillisUnsafe = () => base.currentTimeMillisUnsafe() + timeOfDay + passed
    const currentTimeNanosUnsafe = () => base.currentTimeNanosUnsafe() + nanos(timeOfDay + passed)
    const monotonicTimeNanosUnsafe = () => base.monotonicTimeNanosUnsafe() + nanos(passed)
    const clock: Clock.Clock = {
      currentTimeMillisUnsafe,
      currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
      currentTimeNanosUnsafe,
      currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
      monotonicTimeNanosUnsafe,
      monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
      sleep: (duration) => base.sleep(duration)
    }
    return {
      seen: Effect.provideService(Clock.Clock, clock),
      setTimeOfDay: (byMillis) => {
        timeOfDay += byMillis
      },
      pass: (millis) => {
        passed += millis
      }
    }
  })
)
