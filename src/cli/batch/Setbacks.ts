import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { monotonicMillis } from "../../services/MonotonicClock.ts"
import type { CommandFailure } from "../CommandFailure.ts"
import type { Told } from "./Reply.ts"

/** What may be better at the next try. */
export type Setback =
  | { readonly _tag: "Refused"; readonly told: Told; readonly retryAfterMillis: number | undefined }
  /** No answer, for the first time in a row at that moment of the monotonic clock. */
  | { readonly _tag: "Lost"; readonly failure: CommandFailure; readonly since: number }

/** How long the service may be away before it counts as gone: long enough for it to be started anew. */
const longestAwayMillis = 60_000

/** The longest wait that nobody asked for. */
const longestWait = Duration.seconds(10)

/**
 * When to ask again: after half a second, and each time twice as long, up to ten seconds, with 20% jitter either way; or
 * after as long as the service asked for and up to a second more. It ends when an event would be refused for longer than
 * its patience lasts, or the service would be away for more than a minute. Moments are monotonic milliseconds.
 */
export const askAgain = (options: { readonly patientUntil: number; readonly wasThere: () => boolean }) =>
  Schedule.exponential("500 millis").pipe(
    Schedule.jittered,
    Schedule.setInputType<Setback | CommandFailure>(),
    Schedule.modifyDelay(({ duration, input }) => Effect.succeed(waitFor(input, Duration.min(duration, longestWait)))),
    Schedule.while(({ duration, input }) =>
      Effect.map(monotonicMillis, (now) => {
        const then = now + Duration.toMillis(duration)
        if (input._tag === "CommandFailure") return false
        if (input._tag === "Refused") return then < options.patientUntil
        // Where nobody has ever answered, the URL is more likely to be wrong than the service to be away.
        return options.wasThere() && then < input.since + longestAwayMillis
      })
    )
  )

const waitFor = (setback: Setback | CommandFailure, usual: Duration.Duration): Duration.Duration =>
  setback._tag === "Refused" && setback.retryAfterMillis !== undefined
    ? Duration.sum(Duration.millis(setback.retryAfterMillis), Duration.min(usual, Duration.seconds(1)))
    : usual
