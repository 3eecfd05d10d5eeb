import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { Settings } from "../services/Settings.ts"

/** Errors of ours at ERROR, but WARNING where we say no as we should: every 503 is that. The rest at INFO. */
const levelOf = (status: number) => (status === 503 ? "Warn" : status >= 500 ? "Error" : "Info")

/** Writes the line of an answered request, if `ACCESS_LOG_LEVEL` lets it. */
export const makeAccessLog = Effect.map(Settings, ({ accessLogLevel, logLevel }) => {
  const least = accessLogLevel ?? logLevel
  return (status: number, fields: object): Effect.Effect<void> => {
    const level = levelOf(status)
    if (LogLevel.isLessThan(level, least)) return Effect.void
    const line = Effect.logWithLevel(level)("request", fields)
    return least === logLevel ? line : Effect.provideService(line, References.MinimumLogLevel, least)
  }
})
