import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
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

/** Something that was logged, as it may be told. */
export interface Entry {
  /** One that collectors and people know: WARNING, not Warn. */
  readonly level: string
  readonly text: string
  /** Its fields, in parts: of those by one name the last counts. */
  readonly fields: ReadonlyArray<Fields>
  readonly cause: string | undefined
}

type Fields = Readonly<Record<string, unknown>>

/** Hears of every line that is written, of what it was made, and with what Effect says of it. It must not fail. */
export type LineListener = (line: string, entry: Entry, options: Logger.Options<unknown>) => void

/** Somebody else to whom the log is told. */
export const AlsoLog = Context.Reference<LineListener | undefined>("ai-ticket/services/Logging/AlsoLog", {
  defaultValue: () => undefined
})

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
      const lineOf = format === "json" ? jsonLine : prettyLine
      const level = makeLevel(logLevel)
      const turn = Effect.flatMap(level.turn, (now) => Effect.logWarning(`The log begins at ${levelName(now)} now`))
      const logger = Logger.make((options) => {
        if (!isWanted(options)) return
        const entry = entryOf(options)
        const line = lineOf(entry, options.date)
        write(line)
        options.fiber.getRef(AlsoLog)?.(line, entry, options)
      })
      return Layer.effectDiscard(Effect.forkScoped(Stream.runForEach(looks, () => turn))).pipe(
        Layer.provideMerge(
          Layer.mergeAll(
            Logger.layer([logger]),
            // What may be wanted later must come this far.
            Layer.succeed(References.MinimumLogLevel)(level.closest),
            Layer.succeed(LeastLevel)(level.least)
          )
        )
      )
    })
  )

const entryOf = ({ cause, fiber, logLevel, message }: Logger.Options<unknown>): Entry => {
  const { fields, text } = split(message)
  return {
    ...{ text, level: levelName(logLevel), fields: [correlation(fiber), fields] },
    cause: cause.reasons.length === 0 ? undefined : describeCause(cause)
  }
}

const jsonLine = ({ cause, fields: [correlation, own], level, text }: Entry, date: Date): string =>
  toJson({ level, time: date.toISOString(), message: text, ...correlation, ...own, ...(cause && { cause }) })

/** What JSON has no word for is written all the same, at some cost: a log line must not fail a request. */
const toJson = (line: object): string =>
  Result.getOrElse(
    Result.try(() => JSON.stringify(line)),
    () => Formatter.formatJson(line)
  )

const prettyLine = ({ cause, fields: [correlation, own], level, text }: Entry, date: Date): string => {
  const words = Object.entries({ ...correlation, ...own })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : Formatter.formatJson(value)}`)
  const line = [date.toISOString().slice(11, 23), level.padEnd(7), text, ...words].join(" ")
  return cause === undefined ? line : `${line}\n${cause}`
}

/** A line about a request names it. */
const correlation = (fiber: Fiber.Fiber<unknown, unknown>) => {
  const request = fiber.getRef(CurrentRequest)
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  return request === undefined ? annotations : { request_id: request.id, trace_id: request.traceId, ...annotations }
}

/** Effect hands over what was logged as a list: its texts are the message, its objects further fields. */
const split = (message: unknown): { readonly text: string; readonly fields: Fields } => {
  const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  const [text, fields, ...more] = parts
  // Most are a word and its fields.
  if (typeof text === "string" && Predicate.isObject(fields) && more.length === 0) {
    return { text, fields }
  }
  const texts = parts.filter((part) => typeof part !== "object")
  return { text: texts.join(" "), fields: Object.assign({}, ...parts.filter((part) => typeof part === "object")) }
}

const levelName = (level: string): string =>
  level === "Warn" ? "WARNING" : level === "Fatal" ? "CRITICAL" : level.toUpperCase()
