import type * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { eventually } from "./TestService.ts"

/** Waits for what real I/O brings about, while the test's own clock stands still. */
export const eventuallyLive = (condition: () => boolean): Effect.Effect<void> =>
  TestClock.withLive(eventually(condition))
