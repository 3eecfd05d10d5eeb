import * as Effect from "effect/Effect"
import type { Reply } from "./Answer.ts"

/** The way back to a client for an answer that is written bit by bit. Any other answer is a value, an `Answer`. */
export interface Outlet {
  /** The status and the headers. */
  readonly open: (reply: Reply) => Effect.Effect<boolean>
  /** Whether the bytes were handed to the network: it wasn't if the client is gone, and nothing else tells that. */
  readonly write: (bytes: string | Uint8Array) => Effect.Effect<boolean>
  /** Whether the connection has ended. */
  readonly gone: () => boolean
  /** Ends when the connection does, from whichever side. */
  readonly closed: Effect.Effect<void>
}

/** How slowly something is sent. */
export interface Drips {
  readonly everyMillis: number
  /** Bytes sent each time. */
  readonly bytes: number
}

/** Sends something a few bytes at a time, without regard to its characters; false as soon as nobody takes them. */
export const inDrips = (write: (bytes: Uint8Array) => Effect.Effect<boolean>, { bytes, everyMillis }: Drips) =>
  Effect.fnUntraced(function* (whole: string | Uint8Array) {
    const all = Buffer.from(whole)
    let here = true
    for (let offset = 0; here && offset < all.length; offset += bytes) {
      yield* Effect.sleep(everyMillis)
      here = yield* write(all.subarray(offset, offset + bytes))
    }
    return here
  })

/** An outlet through which everything but the head goes slowly. */
export const dripping = (outlet: Outlet, drips: Drips): Outlet => {
  const write = inDrips(outlet.write, drips)
  return { ...outlet, write }
}
