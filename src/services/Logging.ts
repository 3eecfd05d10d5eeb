import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { CurrentRequest } from "./CurrentRequest.ts"
import { CloserLooks, isWanted, LeastLevel, makeLevel } from "./LogLevels.ts"
import { describeCause } from "./SafeCause.ts"
import { Settings } from "./Settings.ts"

/** Where lines of text go; it must not fail, whatever becomes of the other end. */
export type WriteLine = (line: string) => void

/**
 * Gathers the lines of one turn of the event loop into one write: under load the calls into the kernel cost more than
 * the lines. `flush` writes what is left, for a process that is about to end.
 */
export const gatherLines = (
  write: (text: string) => void
): { readonly write: WriteLine; readonly flush: () => void } => {
  let gathered = ""
  const flush = () => {
    if (gathered === "") return
    const text = gathered
    gathered = ""
    write(text)
  }
  return {
    flush,
    write: (line) => {
      if (gathered === "") setImmediate(flush)
      gathered += `${line}\n`
    }
  }
}

/**
 * The log: one JSON object a line, or lines for people, at `LOG_LEVEL` and above, or from DEBUG on for as long as somebody
 * takes a closer look.
 *
 * What is annotated stands beside level, time and message. Tokens never are; prompts and completions are with
 * `AI_TICKET_LOG_CONTENT`. Causes are told without the messages of their errors.
 */
export const layer = (write: WriteLine, options: { readonly terminal: boolean }): Layer.Layer<never, never, Settings> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { logFormat, logLevel } = yield* Settings
      const looks = yield* CloserLooks
      const format = logFormat ?? (options.terminal ? "pretty" : "json")
      const line = format === "json" ? jsonLine : prettyLine
      const level = makeLevel(logLevel)
      const turn = Effect.flatMap(level.turn, (now) => Effect.logWarning(`The log begins at ${levelName(now)} now`))
      return Layer.effectDiscard(Effect.forkScoped(Stream.runForEach(looks, () => turn))).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            Logger.layer([Logger.make((entry) => (isWanted(entry) ? write(line.log(entry)) : undefined))]),
            // What may be wanted later must come this far.
            Layer.succeed(References.MinimumLogLevel)(level.closest),
            Layer.succeed(LeastLevel)(level.least)
          )
        )
      )
    })
  )

const jsonLine = Logger.make((options) => {
  const { fields, level, text } = readEntry(options)
  const [correlation, own, cause] = fields
  return toJson({ level, time: options.date.toISOString(), message: text, ...correlation, ...own, ...cause })
})

/** What a line says, whoever writes it. */
export interface Entry {
  readonly level: string
  readonly text: string
  /** Its fields, in parts: of those by one name the last counts. */
  readonly fields: ReadonlyArray<object | undefined>
}

/** Whatever is logged, as it may be told: see `layer`. */
export const readEntry = ({ cause, fiber, logLevel, message }: Logger.Options<unknown>): Entry => {
  const { fields, text } = split(message)
  return { level: levelName(logLevel), text, fields: [correlation(fiber), fields, causeField(cause)] }
}

const causeField = (cause: Cause.Cause<unknown>) =>
  cause.reasons.length === 0 ? undefined : { cause: describeCause(cause) }

/** What JSON has no word for is written all the same, at some cost: a log line must not fail a request. */
const toJson = (line: object): string =>
  Result.getOrElse(
    Result.try(() => JSON.stringify(line)),
    () => Formatter.formatJson(line)
  )

const prettyLine = Logger.make(({ cause, date, fiber, logLevel, message }) => {
  const { fields, text } = split(message)
  const words = Object.entries({ ...correlation(fiber), ...fields })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : Formatter.formatJson(value)}`)
  const line = [date.toISOString().slice(11, 23), levelName(logLevel).padEnd(7), text, ...words].join(" ")
  return cause.reasons.length === 0 ? line : `${line}\n${describeCause(cause)}`
})

/** A line about a request names it. */
const correlation = (fiber: Fiber.Fiber<unknown, unknown>) => {
  const request = fiber.getRef(CurrentRequest)
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  return request === undefined ? annotations : { request_id: request.id, trace_id: request.traceId, ...annotations }
}

/** Effect hands over what was logged as a list: its texts are the message, its objects further fields. */
const split = (message: unknown): { readonly text: string; readonly fields: object } => {
  const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  const [text, fields, ...more] = parts
  // Most are a word and its fields.
  if (typeof text === "string" && typeof fields === "object" && fields !== null && more.length === 0) {
    return { text, fields }
  }
  const texts = parts.filter((part) => typeof part !== "object")
  return { text: texts.join(" "), fields: Object.assign({}, ...parts.filter((part) => typeof part === "object")) }
}

const levelName = (level: string): string =>
  level === "Warn" ? "WARNING" : level === "Fatal" ? "CRITICAL" : level.toUpperCase()
