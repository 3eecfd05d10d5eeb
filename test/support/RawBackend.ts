import { createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"

export interface RawBackend {
  readonly url: string
  /** The head and the body of each request, as they came. */
  readonly requests: Array<string>
  /** Closes every open connection, as a process that dies does. */
  readonly crash: () => void
}

/** A server that answers every request with the same bytes and closes, as HTTP/1.0 servers do; or never answers. */
export const rawBackend = (answer: string | "never") =>
  Effect.acquireRelease(
    Effect.callback<RawBackend & { readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const requests: Array<string> = []
      const crash = () => {
        for (const socket of sockets) socket.destroy()
      }
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
        socket.on("error", () => socket.destroy())
        let text = ""
        socket.setEncoding("utf8")
        socket.on("data", (chunk: string) => {
          text += chunk
          const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
          const head = text.indexOf("\r\n\r\n")
          if (head < 0 || text.length - head - 4 < length) return
          requests.push(text)
          text = ""
          if (answer !== "never") socket.end(answer)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? address?.port : 0
        const close = () => {
          crash()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, requests, crash, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** The url of a port that nobody listens on. */
export const closedPort = Effect.scoped(Effect.map(rawBackend("never"), ({ url }) => url))
