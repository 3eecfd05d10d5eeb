import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Signal } from "./OtelSettings.ts"

/** How long nothing more is said of failed exports once it has been said. */
const silence = "1 minute"

/** Tells of failed exports in the log, once a minute at most: whatever a collector does, it must not fill it. */
export const makeWarnings = Effect.gen(function* () {
  const failures = yield* Queue.sliding<readonly [Signal, string]>(1)
  yield* Queue.take(failures).pipe(
    Effect.tap(([signal, reason]) =>
      Effect.logWarning(
        `The OpenTelemetry collector did not take all of an export of ${signal} (${reason}): the rest is lost`
      )
    ),
    Effect.andThen(Effect.sleep(silence)),
    Effect.forever,
    Effect.forkScoped
  )
  return (signal: Signal, reason: string): void => void Queue.offerUnsafe(failures, [signal, reason])
})
