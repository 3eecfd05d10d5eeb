import { StringDecoder } from "node:string_decoder"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"

/** How many characters may wait for a reader before the connection is told to wait. */
const mostUnread = 64 * 1024

/** The body of an answer, read as it comes. */
export interface ChunkReader<E> {
  /** The next piece of text, whole characters only; the end of the body is done. */
  readonly pull: Pull.Pull<string, E>
  /** Makes `pull` fail from here on, a waiting one too. */
  readonly fail: (error: E) => void
}

/** A sender who can be told to wait. */
export interface Sender {
  readonly pause: () => void
  readonly resume: () => void
}

/** What a reader reads, told by who receives it. */
export interface Chunks<E> {
  readonly push: (bytes: Buffer) => void
  readonly end: () => void
  readonly fail: (error: E) => void
  readonly reader: ChunkReader<E>
}

/**
 * Reads bytes as text, as fast as it is pulled: what nobody has pulled is bounded, and the rest waits at the sender. One
 * reader at a time.
 */
export const readChunks = <E>(sender: Sender): Chunks<E> => {
  const decoder = new StringDecoder("utf8")
  let unread = ""
  let paused = false
  let ending: Effect.Effect<never, E | Cause.Done> | undefined
  let wake: ((effect: Pull.Pull<string, E>) => void) | undefined

  const take = (): Effect.Effect<string> => {
    const text = unread
    unread = ""
    if (paused) {
      paused = false
      sender.resume()
    }
    return Effect.succeed(text)
  }

  const settle = () => {
    if (wake === undefined || (unread === "" && ending === undefined)) return
    const resume = wake
    wake = undefined
    resume(unread === "" && ending !== undefined ? ending : take())
  }

  const end = (how: Effect.Effect<never, E | Cause.Done>) => {
    ending ??= how
    settle()
  }

  return {
    push: (bytes) => {
      // Told to fail: what comes now would hide that for as long as something comes.
      if (ending !== undefined) return
      unread += decoder.write(bytes)
      settle()
      if (unread.length <= mostUnread || paused) return
      paused = true
      sender.pause()
    },
    end: () => end(Cause.done()),
    fail: (error) => end(Effect.fail(error)),
    reader: {
      pull: Effect.suspend((): Pull.Pull<string, E> => {
        if (unread !== "") return take()
        if (ending !== undefined) return ending
        return Effect.callback<string, E | Cause.Done>((resume) => {
          wake = resume
          return Effect.sync(() => {
            wake = undefined
          })
        })
      }),
      fail: (error) => {
        // What has come but was not read is not wanted any more.
        unread = ""
        ending = Effect.fail(error)
        settle()
      }
    }
  }
}
