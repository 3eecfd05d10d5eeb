import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { Settings } from "../services/Settings.ts"

/** Writes the line of an answered request, if `ACCESS_LOG_LEVEL` lets it: errors of ours at ERROR, the rest at INFO. */
export const makeAccessLog = Effect.map(Settings, ({ accessLogLevel, logLevel }) => {
  const least = accessLogLevel ?? logLevel
  return (status: number, fields: object): Effect.Effect<void> => {
    const level = status >= 500 ? "Error" : "Info"
    if (LogLevel.isLessThan(level, least)) return Effect.void
    const line = Effect.logWithLevel(level)("request", fields)
    return least === logLevel ? line : Effect.provideService(line, References.MinimumLogLevel, least)
  }
})
