import type { Readable } from "node:stream"
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

/**
 * Reads a response as text, as fast as it is pulled: what nobody has pulled is bounded, and the rest waits at the sender.
 * One reader at a time.
 */
export const readChunks = <E>(response: Readable, broken: (error: unknown) => E): ChunkReader<E> => {
  const decoder = new StringDecoder("utf8")
  let unread = ""
  let ending: Effect.Effect<never, E | Cause.Done> | undefined
  let wake: ((effect: Pull.Pull<string, E>) => void) | undefined

  const take = (): Effect.Effect<string> => {
    const text = unread
    unread = ""
    if (response.isPaused()) response.resume()
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

  response.on("data", (chunk: Buffer) => {
    // Told to fail: what comes now would hide that for as long as something comes.
    if (ending !== undefined) return
    unread += decoder.write(chunk)
    settle()
    if (unread.length > mostUnread) response.pause()
  })
  response.on("end", () => end(Cause.done()))
  response.on("error", (error) => end(Effect.fail(broken(error))))
  response.on("close", () => end(Effect.fail(broken(undefined))))

  return {
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
