import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

export interface StandingClock {
  /** Acquires it with this clock, and whatever it forks. When it is released the clock goes: a service waits a moment then. */
  readonly seen: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Scope.Scope>
  /** Lets so much time pass, and whoever sleeps until then wakes. */
  readonly pass: (time: Duration.Input) => Effect.Effect<void>
}

/**
 * A clock for a service that stands still until the test lets time pass, so that nothing depends on how busy the machine
 * is. The test itself keeps real time, and so do its sockets.
 */
export const standingClock = Effect.gen(function* () {
  const live = yield* Clock.Clock
  const standing = yield* TestClock.make({ warningDelay: "1 hour" })
  yield* standing.setTime(yield* Clock.currentTimeMillis)
  let stands = true
  const clock: Clock.Clock = {
    ...standing,
    sleep: (duration) => (stands ? standing.sleep(duration) : live.sleep(duration))
  }
  const go = Effect.addFinalizer(() =>
    Effect.sync(() => {
      stands = false
    })
  )
  return {
    seen: (self) => Effect.tap(Effect.provideService(self, Clock.Clock, clock), go),
    pass: standing.adjust
  } satisfies StandingClock
})
