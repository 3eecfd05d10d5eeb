import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http"
import { Server as NetServer, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as HttpServer from "effect/http/HttpServer"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import { clientAddress } from "../domain/ClientAddress.ts"
import { type ErrorCode, errorCatalogue } from "../domain/ErrorCatalogue.ts"
import { bodyFor } from "../domain/Failure.ts"
import { Ids } from "../services/Ids.ts"
import { Metrics } from "../services/Metrics.ts"
import { Settings } from "../services/Settings.ts"
import { Fellows } from "../services/workers/Fellows.ts"
import { makeAccessLog } from "./AccessLog.ts"
import { brokenBody, overdueBody } from "./RequestBody.ts"

/** The most bytes of a request's header. */
const maxHeaderBytes = 16 * 1024

/** How long an idle connection is kept for the next request: longer than proxies keep theirs, so that they close. */
const keepAliveMillis = 75_000

/** How long answers that are being written may take once the listener is closed. */
const closeTimeout = "1 second"

/**
 * A response that doesn't check its own length, which Effect would have it do: the check splits each write in two, and
 * that costs a request more than all of its log line. Lengths here are those of the strings that are sent.
 */
class LeanResponse extends ServerResponse {}
Object.defineProperty(LeanResponse.prototype, "strictContentLength", { get: () => false, set: () => {} })

/** The answers that are being written: work is done when its answer exists, but its reader may be slow. */
export class OpenResponses extends Context.Service<
  OpenResponses,
  {
    /** Returns when none is open. */
    readonly settled: Effect.Effect<void>
  }
>()("ai-ticket/http/NodeServer/OpenResponses") {}

/** Node has an event of its own for requests that wait to be told to send their body. */
const onEveryRequest = (server: Server, listener: (request: IncomingMessage, response: ServerResponse) => void) => {
  for (const event of ["request", "checkContinue"] as const) server.prependListener(event, listener)
}

/**
 * Node tells of a connection that broke in two steps: it looks whether anybody listens for a request's error, and tells it
 * a moment later. Whoever stopped listening in between must not have left an error that nobody hears: it would end the
 * process.
 */
const hearErrors = (server: Server) => onEveryRequest(server, (request) => request.on("error", passOver))

const passOver = () => {}

const countResponses = (server: Server): OpenResponses["Service"] => {
  const settled = Latch.makeUnsafe(true)
  let open = 0
  const openAt = new WeakMap<Socket, Set<ServerResponse>>()
  server.on("connection", (socket) => {
    const here = new Set<ServerResponse>()
    openAt.set(socket, here)
    // When Node has told those that it tells: older ones tell none that is behind another answer.
    socket.once("close", () => setImmediate(leaveAll, here))
  })
  onEveryRequest(server, ({ socket }, response) => {
    const here = openAt.get(socket)
    if (here === undefined) return
    here.add(response)
    open += 1
    settled.closeUnsafe()
    response.once("close", () => {
      here.delete(response)
      open -= 1
      if (open === 0) settled.openUnsafe()
    })
  })
  return { settled: settled.await }
}

/** Has the answers of a connection that is gone hear of it, and whoever works on them. */
const leaveAll = (responses: ReadonlySet<ServerResponse>) => {
  for (const response of responses) response.destroy().emit("close")
}

/** How long clients may take to hear that their connection ends with their next answer. */
const leaveTimeout = "5 seconds"

/**
 * Leaves to the other workers when one has taken the place of this one: new connections are theirs at once, those that
 * are here end with their next answer, and what has not ended by then is drained.
 */
const leave = (server: Server, { end, retired }: Fellows) =>
  Effect.gen(function* () {
    yield* retired
    const deserted = Effect.callback<void>((resume) => {
      // As http.Server does it, it would close idle connections, on which a request may be on its way.
      NetServer.prototype.close.call(server, () => resume(Effect.void))
    })
    yield* Effect.timeoutOption(deserted, leaveTimeout)
    yield* end
  })

/** Node's HTTP server, bounded against clients that send slowly, too much or nonsense, on the settings' address. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { host, port, receiveTimeoutSeconds } = yield* Settings
    const receiveMillis = receiveTimeoutSeconds * 1000
    const server = createServer({
      ServerResponse: LeanResponse,
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: receiveMillis,
      requestTimeout: receiveMillis,
      connectionsCheckingInterval: Math.min(1000, receiveMillis / 2),
      keepAliveTimeout: keepAliveMillis,
      // Node would answer a missing Host with a bare 400; it does no harm here.
      requireHostHeader: false
    })
    // Node would answer an expectation that it doesn't know with a bare 417.
    server.on("checkExpectation", (request, response) => server.emit("request", request, response))
    hearErrors(server)
    const refuse = yield* makeRefuse
    const run = yield* FiberSet.makeRuntime<never>()
    // No proxy for other hosts: Node would close the connection without a word.
    server.on("connect", (_, socket) => {
      // From here on the socket is ours, and its errors are too.
      socket.on("error", () => socket.destroy())
      run(refuse("not_found", socket))
    })
    answerBadRequests(server, (code, socket) => run(refuse(code, socket)))

    const listening = Layer.effect(
      HttpServer.HttpServer,
      Effect.gen(function* () {
        const { address, serve } = yield* NodeHttpServer.make(() => server, {
          host,
          port,
          gracefulShutdownTimeout: closeTimeout
        })
        // Before the wait for the last connection, which an idle client could draw out.
        yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
        const fellows = yield* Fellows
        if (fellows !== undefined) yield* Effect.forkScoped(leave(server, fellows))
        // Nobody here speaks another protocol: without a listener Node passes an offer of one over.
        const ignoreUpgrades = Effect.sync(() => server.removeAllListeners("upgrade"))
        return HttpServer.make({
          address,
          serve: (app, middleware) =>
            Effect.andThen(middleware === undefined ? serve(app) : serve(app, middleware), ignoreUpgrades).pipe(
              Effect.updateContext(withRoom)
            )
        })
      })
    )
    const openResponses = Layer.succeed(OpenResponses)(countResponses(server))
    return Layer.mergeAll(listening, openResponses, NodeHttpServer.layerHttpServices)
  })
)

/**
 * The context that all requests begin with. Each adds some ten services of its own, and with Effect's default of eight
 * would copy all others once.
 */
const withRoom = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.makeUnsafe(context.mapUnsafe, { maxDepth: 16 })

/** Answers what never became a request, counts it and writes its line. */
const makeRefuse = Effect.gen(function* () {
  const accessLog = yield* makeAccessLog
  const metrics = yield* Metrics
  const ids = yield* Ids
  return (code: ErrorCode, socket: Duplex & { readonly remoteAddress?: string | undefined }): Effect.Effect<void> =>
    Effect.gen(function* () {
      const id = ids.next()
      const { status } = errorCatalogue[code]
      const labels = { method: "other", status }
      metrics.httpRefused({ ...labels, endpoint: "other" })
      yield* accessLog(status, {
        request_id: id,
        trace_id: id.replaceAll("-", ""),
        ...labels,
        route: "other",
        duration_ms: 0,
        client: clientAddress({ socket: socket.remoteAddress, forwardedFor: undefined, proxies: 0 }),
        error: code
      })
      socket.end(rawResponse(code, id), () => socket.destroy())
    })
})

/**
 * What Node's parser refuses never reaches a route: it is answered here, in the same shape. But never before the answer
 * of a request on the same connection that is still in hand, nor twice.
 */
const answerBadRequests = (server: Server, refuse: (code: ErrorCode, socket: Socket) => void) => {
  const latest = new WeakMap<Socket, readonly [IncomingMessage, ServerResponse]>()
  onEveryRequest(server, (request, response) => latest.set(request.socket, [request, response]))
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const [request, response] = latest.get(socket) ?? []
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy()
    // In the middle of a body: whoever reads it answers for itself, and whoever has answered without it is done.
    if (request?.complete === false && response !== undefined) {
      response.shouldKeepAlive = false
      const told = request.emit(error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? overdueBody : brokenBody)
      return void (told || socket.destroy())
    }
    // The other side has ended the connection: whose answer is in hand has left.
    if (response?.writableFinished === false && error.code === "HPE_INVALID_EOF_STATE") return void socket.destroy()
    if (response?.writableFinished === false) return void response.once("finish", () => socket.destroy())
    refuse(parserErrors[error.code ?? ""] ?? "invalid_request", socket)
  })
}

const parserErrors: Readonly<Record<string, ErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "request_timeout",
  HPE_HEADER_OVERFLOW: "request_header_fields_too_large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "payload_too_large"
}

const parserMessages: Partial<Record<ErrorCode, string>> = {
  not_found: "There is no such route.",
  request_timeout: "The request did not arrive in time.",
  request_header_fields_too_large: `The request's header is over the limit of ${maxHeaderBytes} bytes.`,
  payload_too_large: "The chunk extensions are too large."
}

const rawResponse = (code: ErrorCode, id: string): string => {
  const body = JSON.stringify(bodyFor(code, parserMessages[code] ?? "The request is not valid HTTP."))
  return [
    `HTTP/1.1 ${errorCatalogue[code].status} ${code}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "X-Request-Processed-By: ai-ticket",
    `X-Request-Id: ${id}`,
    "Server-Timing: queue;dur=0, backend;dur=0, total;dur=0",
    "Connection: close",
    "",
    body
  ].join("\r\n")
}
