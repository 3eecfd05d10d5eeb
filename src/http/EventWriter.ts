import type { ServerResponse } from "node:http"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { millisOf } from "../services/MonotonicClock.ts"

/** The reader has not read for too long. */
export interface Stalled {
  readonly _tag: "Stalled"
}

/** Writes to a reader that may be slow: what waits for it is what fits into its connection's buffers. */
export interface EventWriter {
  /** Nothing to wait for while the reader keeps up; otherwise what waits until it does again, or has stalled. */
  readonly write: (text: string) => Effect.Effect<void, Stalled> | undefined
  /** Writes what needn't be read, if the reader keeps up. */
  readonly comment: (text: string) => void
  /** When something was written, in monotonic milliseconds. */
  readonly lastWrite: () => number
  /** From here on nobody waits for the reader, whoever does already among them. */
  readonly hurry: () => void
  /** Ends the response. What waits until all of it is read, and cuts off a reader that has stalled; nothing if it is. */
  readonly end: (text: string) => Effect.Effect<void> | undefined
}

export const makeEventWriter = (
  response: ServerResponse,
  { clock, stallMillis }: { readonly clock: Clock.Clock; readonly stallMillis: number }
): EventWriter => {
  let lastWrite = millisOf(clock)
  let hurried = false
  let goOn = () => {}

  const until = (event: "drain" | "close"): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      const forget = () => response.off(event, goOn)
      goOn = () => {
        forget()
        resume(Effect.void)
      }
      response.on(event, goOn)
      return Effect.sync(forget)
    })

  const keptUp = Effect.timeoutOrElse(until("drain"), {
    duration: stallMillis,
    orElse: () => Effect.fail<Stalled>({ _tag: "Stalled" })
  })
  const read = Effect.timeoutOrElse(until("close"), {
    duration: stallMillis,
    orElse: () => Effect.sync(() => response.destroy())
  })

  return {
    write: (text) => {
      if (text === "" || response.destroyed) return undefined
      lastWrite = millisOf(clock)
      return response.write(text) || hurried ? undefined : keptUp
    },
    comment: (text) => {
      // It may come while what the answer was for is still being cleaned up.
      if (!response.writableEnded && !response.writableNeedDrain) response.write(text)
    },
    lastWrite: () => lastWrite,
    hurry: () => {
      hurried = true
      goOn()
    },
    end: (text) => {
      response.end(text)
      return response.writableLength === 0 ? undefined : read
    }
  }
}
