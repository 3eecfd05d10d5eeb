import * as Net from "node:net"
import * as Effect from "effect/Effect"
import { type Address, type RawAnswer, readAnswer, requestText } from "./RawHttp.ts"

/** An answer while it comes. */
export interface RawStream {
  /** What came so far, one entry for each time that the network brought something. */
  readonly chunks: () => ReadonlyArray<Buffer>
  /** Waits until what came so far is as wanted, and gives it. Dies if the connection ends before. */
  readonly until: (wanted: (received: string) => boolean) => Effect.Effect<string>
  /** The whole of it, once the connection has ended. */
  readonly ended: Effect.Effect<RawAnswer>
  /** Drops the connection, unlike an orderly client. */
  readonly leave: Effect.Effect<void>
}

/** Sends a request and hands out its answer as it comes. The connection ends with the scope at the latest. */
export const openStream = (address: Address, path: string, body: unknown, headers: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => begin(address, requestText("POST", path, { body, headers }))),
    ({ leave }) => leave
  )

const begin = (address: Address, request: string): RawStream => {
  const socket = Net.connect(address.port, address.host)
  const chunks: Array<Buffer> = []
  const watchers = new Set<() => void>()
  let end: string | undefined
  const changed = () => {
    for (const watcher of watchers) watcher()
  }
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    changed()
  })
  socket.on("error", (error: NodeJS.ErrnoException) => {
    end ??= error.code ?? error.message
  })
  socket.on("close", () => {
    end ??= "end"
    changed()
  })
  socket.write(request)
  const received = () => Buffer.concat(chunks).toString()

  const watch = <A>(look: () => Effect.Effect<A> | undefined) =>
    Effect.callback<A>((resume) => {
      const watcher = () => {
        const seen = look()
        if (seen !== undefined) resume(seen)
      }
      watchers.add(watcher)
      watcher()
      return Effect.sync(() => watchers.delete(watcher))
    })

  return {
    chunks: () => chunks,
    until: (wanted) =>
      watch(() => {
        const text = received()
        if (wanted(text)) return Effect.succeed(text)
        return end === undefined ? undefined : Effect.die(`The connection ended (${end}) after: ${text}`)
      }),
    ended: watch(() => (end === undefined ? undefined : Effect.succeed(readAnswer(received(), end)))),
    leave: Effect.sync(() => socket.destroy())
  }
}

/** The texts in the events of a stream, whichever endpoint wrote it; an event without one is left out. */
export const textsIn = (received: string): ReadonlyArray<string> =>
  [...received.matchAll(/"(?:token|content|text)": ("(?:[^"\\]|\\.)*")/g)].map(([, text = '""']) => JSON.parse(text))
