import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { Settings } from "./Settings.ts"

/** Where lines of text go; it must not fail, whatever becomes of the other end. */
export type WriteLine = (line: string) => void

/**
 * The log: one JSON object a line, or lines for people, at `LOG_LEVEL` and above.
 *
 * What is annotated stands beside level, time and message. Prompts, completions and tokens are never annotated, so
 * they can't be in it.
 */
export const layer = (write: WriteLine, options: { readonly terminal: boolean }): Layer.Layer<never, never, Settings> =>
  Layer.unwrap(
    Effect.map(Settings, ({ logFormat, logLevel }) => {
      const format = logFormat ?? (options.terminal ? "pretty" : "json")
      return Layer.mergeAll(
        Logger.layer([Logger.map(format === "json" ? jsonLine : prettyLine, write)]),
        Layer.succeed(References.MinimumLogLevel)(logLevel)
      )
    })
  )

const jsonLine = Logger.make(({ cause, date, fiber, logLevel, message }) => {
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  return JSON.stringify({
    level: levelName(logLevel),
    time: date.toISOString(),
    message: text(message),
    ...annotations,
    ...(cause.reasons.length === 0 ? {} : { cause: Cause.pretty(cause) })
  })
})

const prettyLine = Logger.make(({ cause, date, fiber, logLevel, message }) => {
  const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
  const fields = annotations.map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`
  )
  const head = `${date.toISOString().slice(11, 23)} ${levelName(logLevel).padEnd(7)} ${text(message)}`
  const line = [head, ...fields].join(" ")
  return cause.reasons.length === 0 ? line : `${line}\n${Cause.pretty(cause)}`
})

/** Effect hands over what was logged as a list. */
const text = (message: unknown): string =>
  (Array.isArray(message) ? message : [message])
    .map((part) => (typeof part === "string" ? part : JSON.stringify(part)))
    .join(" ")

const levelName = (level: string): string => (level === "Warn" ? "WARNING" : level.toUpperCase())
