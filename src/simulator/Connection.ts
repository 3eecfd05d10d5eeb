import type { IncomingMessage } from "node:http"
import { STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Answer, Reply } from "./Answer.ts"
import { inDrips, type Outlet } from "./Outlet.ts"
import type { Greeting } from "./Wire.ts"

/** The most that the server reads of a body, in bytes. */
export const maxBodyBytes = 32 * 1024 * 1024

/** A body that was read to its end, or why not. */
export type Body =
  | { readonly _tag: "Read"; readonly bytes: Uint8Array }
  | { readonly _tag: "TooBig" }
  | { readonly _tag: "Gone" }

/** Reads the body of a request. A client that leaves before its end is gone; nobody is there to answer. */
export const readBody = (request: IncomingMessage): Effect.Effect<Body> => {
  // The server believes the length that it is told, and doesn't read a body that is too long.
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) return Effect.succeed({ _tag: "TooBig" })
  return Effect.callback<Body>((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    const onData = (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBodyBytes) resume(Effect.succeed({ _tag: "TooBig" }))
      else chunks.push(chunk)
    }
    const onEnd = () => resume(Effect.succeed({ _tag: "Read", bytes: Buffer.concat(chunks) }))
    const onClose = () => resume(Effect.succeed({ _tag: "Gone" }))
    request.on("data", onData).once("end", onEnd).once("error", onClose).once("close", onClose)
    return Effect.sync(() => request.off("data", onData).off("end", onEnd).off("error", onClose).off("close", onClose))
  })
}

/** Ends when the connection does, from whichever side. */
export const closed = (socket: Socket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (socket.closed || socket.destroyed) return resume(Effect.void)
    const onClose = () => resume(Effect.void)
    socket.once("close", onClose)
    return Effect.sync(() => socket.off("close", onClose))
  })

/** The way back to the client for an answer that is written bit by bit. */
export const makeOutlet = (socket: Socket, greeting: Greeting): Outlet => ({
  open: (reply) => Effect.flatMap(head(greeting, reply), (start) => write(socket, start)),
  write: (text) => write(socket, text),
  gone: () => socket.destroyed,
  closed: closed(socket)
})

/**
 * Does on the connection what the answer says, and leaves it closed.
 *
 * It writes the socket itself, because an HTTP library would add the headers that the real server doesn't send, and
 * repair what is meant to be broken.
 */
export const perform = (socket: Socket, greeting: Greeting, answer: Answer): Effect.Effect<void> => {
  switch (answer._tag) {
    case "Send":
      return Effect.flatMap(head(greeting, answer.reply), (start) => finish(socket, start + answer.reply.body))
    case "HangUp":
      return finish(socket, "")
    case "Reset":
      return reset(socket)
    case "BreakOff":
      return breakOff(socket)
    case "Stall":
      return closed(socket)
    case "Cut":
      return Effect.andThen(half(socket, greeting, answer.reply), breakOff(socket))
    case "End":
      return Effect.andThen(half(socket, greeting, answer.reply), finish(socket, ""))
    case "Drip":
      return drip(socket, greeting, answer)
  }
}

const head = ({ protocol, server }: Greeting, reply: Reply): Effect.Effect<string> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    [
      `${protocol} ${reply.status} ${STATUS_CODES[reply.status] ?? "Simulated"}`,
      `Server: ${server}`,
      `Date: ${new Date(now).toUTCString()}`,
      ...Object.entries(reply.headers).map(([name, value]) => `${name}: ${value}`),
      ...(reply.sized ? [`content-length: ${Buffer.byteLength(reply.body)}`] : []),
      ...("connection" in reply.headers ? [] : ["Connection: close"]),
      "",
      ""
    ].join("\r\n")
  )

/** Whether the bytes were handed to the network: they weren't if the client is gone, and that is no failure here. */
const write = (socket: Socket, bytes: string | Uint8Array): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    socket.write(bytes, (error) => resume(Effect.succeed(error === undefined || error === null)))
  })

const finish = (socket: Socket, bytes: string): Effect.Effect<void> =>
  Effect.andThen(
    Effect.callback<void>((resume) => {
      socket.end(bytes, () => resume(Effect.void))
    }),
    Effect.sync(() => socket.destroy())
  )

const reset = (socket: Socket) => Effect.asVoid(Effect.sync(() => socket.resetAndDestroy()))

/** Time for the client to read what it got before the reset: a reset may overtake it. */
const breakMillis = 20

const breakOff = (socket: Socket) => Effect.andThen(Effect.sleep(breakMillis), reset(socket))

const half = (socket: Socket, greeting: Greeting, reply: Reply) =>
  Effect.flatMap(head(greeting, reply), (start) =>
    write(socket, start + reply.body.slice(0, Math.floor(reply.body.length / 2)))
  )

const drip = Effect.fnUntraced(function* (
  socket: Socket,
  greeting: Greeting,
  answer: Extract<Answer, { _tag: "Drip" }>
) {
  const here = yield* write(socket, yield* head(greeting, answer.reply))
  if (here) yield* inDrips((bytes) => write(socket, bytes), answer)(answer.reply.body)
  yield* finish(socket, "")
})
