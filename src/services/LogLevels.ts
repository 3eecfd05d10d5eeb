import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"

/** Ticks when somebody wants to see more of a running service, or no more of it: a signal. */
export const CloserLooks = Context.Reference<Stream.Stream<void>>("ai-ticket/services/LogLevels/CloserLooks", {
  defaultValue: () => Stream.never
})

/** The least level that is logged now; asked for with each line, for it may change. */
export const LeastLevel = Context.Reference<() => LogLevel.LogLevel>("ai-ticket/services/LogLevels/LeastLevel", {
  defaultValue: () => () => "All"
})

/** Whether a line is to be written, by the level that is in force where it was logged. */
export const isWanted = ({ fiber, logLevel }: Pick<Logger.Options<unknown>, "fiber" | "logLevel">): boolean =>
  !LogLevel.isLessThan(logLevel, fiber.getRef(LeastLevel)())

/** A level that a closer look lowers to DEBUG, and the next one puts back. */
export const makeLevel = (usual: LogLevel.LogLevel) => {
  const closest: LogLevel.LogLevel = LogLevel.isLessThan(usual, "Debug") ? usual : "Debug"
  let least = usual
  return {
    closest,
    least: () => least,
    turn: Effect.sync(() => {
      least = least === usual ? closest : usual
      return least
    })
  }
}
