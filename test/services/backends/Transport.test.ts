import { createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Call, Transport } from "../../../src/services/backends/Transport.ts"

/** A server that does this with each connection; its port, and what came over all of them. */
const listening = (onConnection: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly received: Array<Buffer>; readonly close: () => void }>(
      (resume) => {
        const sockets = new Set<Socket>()
        const received: Array<Buffer> = []
        const server = createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => socket.destroy())
          socket.on("data", (bytes) => received.push(bytes))
          onConnection(socket)
        })
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed({ port: typeof address === "object" ? (address?.port ?? 0) : 0, received, close }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )

const calling = (base: string, more: Partial<Call> = {}) =>
  Effect.provide(
    Effect.flatMap(Transport, (transport) =>
      transport.call({ method: "POST", target: { base }, path: "/x", headers: {}, body: {}, ...more })
    ),
    Transport.layer
  )

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

describe("Transport", () => {
  it.live("sends a field's bytes as they came to us, whatever is in the body", () =>
    Effect.gen(function* () {
      const { port, received } = yield* listening((socket) => socket.once("data", () => socket.end(answer)))
      const call = calling(`http://127.0.0.1:${port}`, { headers: { baggage: "a=b;ü" }, body: { of: "ü😀" } })
      assert.strictEqual((yield* call).text, "hi")
      const sent = Buffer.concat(received)
      assert.include(sent.toString("latin1"), "baggage: a=b;ü\r\n")
      assert.isTrue(sent.toString().endsWith('Content-Length: 15\r\n\r\n{"of":"ü😀"}'))
    })
  )
})
