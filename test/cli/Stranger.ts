import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"

/** Something that gives every request the same answer, and isn't ai-ticket. */
export const stranger = (status: number, body: string) =>
  listening((_, response) => void response.writeHead(status).end(body))

/** Something that answers with a stream of events, each piece written by itself. */
export const strangeStream = (pieces: Iterable<string | Uint8Array>, after: "end" | "reset" | "hang" = "end") =>
  listening((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    const rest = pieces[Symbol.iterator]()
    const next = (): void => {
      if (response.destroyed) return
      const { done, value } = rest.next()
      if (done !== true) return void response.write(value, () => setImmediate(next))
      if (after === "end") response.end()
      if (after === "reset") response.socket?.resetAndDestroy()
    }
    next()
  })

const listening = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly url: string
      /** How many are open. */
      readonly connections: () => number
      readonly close: () => void
    }>((resume) => {
      const server = createServer(listener)
      let open = 0
      server.on("connection", (socket) => {
        open += 1
        socket.on("close", () => {
          open -= 1
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, connections: () => open, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
