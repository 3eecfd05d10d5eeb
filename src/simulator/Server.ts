import * as Http from "node:http"
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { Answer } from "./Answer.ts"
import { closed, makeOutlet, perform, readBody } from "./Connection.ts"
import { errorsOf } from "./ErrorAnswer.ts"
import type { Incoming } from "./Incoming.ts"
import { capacity, type SimulatorOptions } from "./Options.ts"
import { greetingOf } from "./Wire.ts"

/** The simulator can't listen where it was told to. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Int,
  /** The operating system's word for it, such as EADDRINUSE. */
  code: Schema.String
}) {
  override get message() {
    return `The simulator cannot listen on ${this.host}, port ${this.port}: ${this.code}.`
  }
}

/** Connections that may wait for a handler; past these the network turns them away. */
const maxConnections = 10_000

/**
 * Listens until the scope ends, one fiber per connection and one request per connection. A fiber isn't told when its
 * client leaves: that is how the real server comes to work for nobody. Gives the port.
 */
export const listen = Effect.fnUntraced(function* (
  options: SimulatorOptions,
  handle: (incoming: Incoming) => Effect.Effect<Answer>
) {
  const run = yield* FiberSet.runtime(yield* FiberSet.make<void>())<never>()
  const handlers = yield* Semaphore.make(capacity(options).handlers)
  // It only parses: connections are handed to it once there is a handler for them.
  const parser = Http.createServer()
  const expected = new Map<Net.Socket, (request: Http.IncomingMessage) => void>()
  parser.on("request", (request) => expected.get(request.socket)?.(request))

  const nextRequest = (socket: Net.Socket): Effect.Effect<Http.IncomingMessage> =>
    Effect.callback<Http.IncomingMessage>((resume) => {
      expected.set(socket, (request) => {
        expected.delete(socket)
        resume(Effect.succeed(request))
      })
      parser.emit("connection", socket)
      socket.resume()
      return Effect.sync(() => expected.delete(socket))
    })

  // Until the request is there, a client that leaves ends it; after that, nothing does.
  const converse = Effect.fnUntraced(function* (socket: Net.Socket) {
    const request = yield* Effect.raceFirst(nextRequest(socket), closed(socket))
    if (request === undefined) return
    const chunked = request.headers["transfer-encoding"] !== undefined
    const greeting = greetingOf(options.dialect)
    const body = yield* readBody(request)
    if (body._tag === "Gone") return
    const answer =
      body._tag === "TooBig"
        ? errorsOf(options.dialect).tooBig
        : yield* handle({
            method: request.method ?? "GET",
            url: request.url ?? "/",
            authorization: request.headers.authorization,
            // The older dialect goes by the length alone, and so sees no body here.
            body: chunked && options.dialect === "1.76" ? new Uint8Array() : body.bytes,
            outlet: makeOutlet(socket, greeting)
          })
    yield* perform(socket, greeting, answer)
  })

  const serve = (socket: Net.Socket) =>
    Effect.suspend(() => (socket.destroyed ? Effect.void : converse(socket))).pipe(
      Semaphore.withPermits(handlers, 1),
      Effect.tapDefect((defect) => Effect.logError("The simulator failed to answer.", defect)),
      Effect.ensuring(Effect.sync(() => socket.destroy()))
    )

  const sockets = new Set<Net.Socket>()
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => {
      // What is written in bits is to arrive in bits, and not to wait for more.
      const created = Net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
      created.maxConnections = maxConnections
      // A connection that can't be accepted is lost; the next one may do better.
      created.on("error", () => {})
      return created.on("connection", (socket) => {
        sockets.add(socket)
        // A broken connection is the client's affair; its fiber finds out when it writes.
        socket.on("error", () => {}).once("close", () => sockets.delete(socket))
        run(serve(socket))
      })
    }),
    (created) =>
      Effect.callback<void>((resume) => {
        created.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
  yield* Effect.callback<void, CannotListen>((resume) => {
    const { host, port } = options
    server.once("error", (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new CannotListen({ host, port, code: error.code ?? error.message })))
    )
    server.listen(port, host, () => resume(Effect.void))
  })
  const address = server.address()
  return address === null || typeof address === "string" ? options.port : address.port
})
