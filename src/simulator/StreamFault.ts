import * as Effect from "effect/Effect"
import type { Answer } from "./Answer.ts"
import type { EventWriter } from "./EventWriter.ts"
import type { PartWayFault } from "./FaultStep.ts"
import type { Outlet } from "./Outlet.ts"
import type { Emit } from "./Turn.ts"

/** A stream that goes wrong part of the way. */
export interface FaultyStream {
  readonly emit: Emit
  /** How the connection ends, if the fault was the end of the stream. */
  readonly ending: () => Answer | undefined
}

/** Garbage is not the end: what is left of the text comes behind it. */
const endings: Readonly<Record<PartWayFault["kind"], Answer | undefined>> = {
  cut: { _tag: "BreakOff" },
  end: { _tag: "HangUp" },
  error: { _tag: "HangUp" },
  stall: { _tag: "Stall" },
  garbage: undefined
}

/** Writes a text until so many of its tokens are written, or all of them if they are fewer, and goes wrong then. */
export const makeFaultyStream = (
  kind: PartWayFault["kind"],
  after: number,
  events: EventWriter,
  outlet: Outlet
): FaultyStream => {
  let struck = false

  /** Whether the stream goes on. */
  const strike = (aborted: Effect.Effect<void>): Effect.Effect<boolean> => {
    struck = true
    switch (kind) {
      case "garbage":
        return events.garbage
      case "error":
        return Effect.as(events.error, false)
      case "stall":
        // The model hangs as well: an abort frees it, and so does a client that gives up.
        return Effect.as(Effect.raceFirst(aborted, outlet.closed), false)
      default:
        return Effect.succeed(false)
    }
  }

  return {
    emit: Effect.fnUntraced(function* ({ aborted, last, tokens }) {
      if (struck) return yield* events.write(tokens)
      const before = tokens.slice(0, after - events.written())
      if (!(yield* events.write(before))) return false
      if (events.written() < after && !last) return true
      if (!(yield* strike(aborted))) return false
      return yield* events.write(tokens.slice(before.length))
    }),
    ending: () => (struck ? endings[kind] : undefined)
  }
}
