import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import { LeastLevel } from "../services/LogLevels.ts"
import { millisOf } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { makeLineSampler } from "./LineSampler.ts"

/** Errors of ours at ERROR, but WARNING where we say no as we should: every 503 is that. The rest at INFO. */
const levelOf = (status: number) => (status === 503 ? "Warn" : status >= 500 ? "Error" : "Info")

/**
 * Writes the line of an answered request, if `ACCESS_LOG_LEVEL` lets it. Of successes, `AI_TICKET_ACCESS_LOG_PER_SECOND`
 * are written each second, and the next one says how many were not; failures always are.
 */
export const makeAccessLog = Effect.gen(function* () {
  const { accessLogLevel, accessLogPerSecond } = yield* Settings
  const current = yield* LeastLevel
  const clock = yield* Clock.Clock
  const sample = makeLineSampler(accessLogPerSecond)
  const own = accessLogLevel === undefined ? undefined : () => accessLogLevel
  const least = own ?? current
  /** `outcome` is the status, or what it would have been had the answer not begun before it failed. */
  return (outcome: number, fields: object): Effect.Effect<void> => {
    const level = levelOf(outcome)
    if (LogLevel.isLessThan(level, least())) return Effect.void
    const leftOut = outcome < 400 ? sample(millisOf(clock)) : 0
    if (leftOut === undefined) return Effect.void
    const line = Effect.logWithLevel(level)("request", leftOut === 0 ? fields : { ...fields, left_out: leftOut })
    return own === undefined ? line : Effect.provideService(line, LeastLevel, own)
  }
})
