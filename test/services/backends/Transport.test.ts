import { createServer, type Socket } from "node:net"
import { createSecureContext, TLSSocket } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Call, Transport } from "../../../src/services/backends/Transport.ts"
import { selfSigned } from "../../support/SelfSigned.ts"

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

const calling = (base: string, more: Partial<Call> = {}, connectMillis?: number) =>
  Effect.provide(
    Effect.flatMap(Transport, (transport) =>
      transport.call({ method: "POST", target: { base, connectMillis }, path: "/x", headers: {}, body: {}, ...more })
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

  it.live("was not at a server that closes before there is a secure connection", () =>
    Effect.gen(function* () {
      for (const leave of [
        (socket: Socket) => socket.destroy(),
        (socket: Socket) => socket.resetAndDestroy(),
        (socket: Socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")
      ]) {
        const { port } = yield* listening((socket) => socket.once("data", () => leave(socket)))
        const broken = yield* Effect.flip(calling(`https://127.0.0.1:${port}`))
        const reason = "no secure connection could be made"
        assert.deepStrictEqual(broken, { reached: false, oversized: false, reason })
      }
    })
  )

  it.live("doesn't wait for a secure connection longer than for any other", () =>
    Effect.gen(function* () {
      const { port } = yield* listening(() => {})
      const broken = yield* Effect.flip(calling(`https://127.0.0.1:${port}`, {}, 100))
      assert.deepStrictEqual(broken, { reached: false, oversized: false, reason: "no connection within 0.1 seconds" })
    })
  )

  it.live("says that it doesn't trust a certificate", () =>
    Effect.gen(function* () {
      const context = createSecureContext(selfSigned())
      const { port } = yield* listening((socket) => {
        new TLSSocket(socket, { isServer: true, secureContext: context }).on("error", () => {})
      })
      const broken = yield* Effect.flip(calling(`https://127.0.0.1:${port}`))
      assert.deepStrictEqual(broken, { reached: false, oversized: false, reason: "its certificate isn't trusted" })
    })
  )
})
