import { createServer, type IncomingMessage, type Server } from "node:http"
import type { Socket } from "node:net"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { type ErrorCode, errorCatalogue } from "../domain/ErrorCatalogue.ts"
import { bodyFor } from "../domain/Failure.ts"
import { Metrics } from "../services/Metrics.ts"
import { Settings } from "../services/Settings.ts"
import { receiveTimeout } from "./RequestBody.ts"

/** The most bytes of a request's header. */
const maxHeaderBytes = 16 * 1024

/** How long an idle connection is kept for the next request: longer than proxies keep theirs, so that they close. */
const keepAliveMillis = 75_000

/** How long answers that are being written may take once the listener is closed. */
const closeTimeout = "1 second"

/** Node's HTTP server, bounded against clients that send slowly, too much or nonsense, on the settings' address. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { host, port, receiveTimeoutSeconds } = yield* Settings
    const metrics = yield* Metrics
    const random = yield* SecureRandom.SecureRandom
    const receiveMillis = receiveTimeoutSeconds * 1000
    const server = createServer({
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: receiveMillis,
      requestTimeout: receiveMillis,
      connectionsCheckingInterval: Math.min(1000, receiveMillis / 2),
      keepAliveTimeout: keepAliveMillis,
      // Node would answer a missing Host with a bare 400; it does no harm here.
      requireHostHeader: false,
      // An offer of another protocol is passed over, and the connection goes on (from Node 24.9 on).
      shouldUpgradeCallback: () => false
    })
    // Node would answer an expectation that it doesn't know with a bare 417.
    server.on("checkExpectation", (request, response) => server.emit("request", request, response))
    const run = Effect.runForkWith(yield* Effect.context<never>())
    answerBadRequests(server, (code, socket) =>
      run(
        Effect.gen(function* () {
          const id = yield* random.uuidV4()
          const { status } = errorCatalogue[code]
          metrics.httpRefused({ method: "other", endpoint: "other", status })
          yield* Effect.logInfo("request", { request_id: id, route: "other", status, error: code })
          socket.end(rawResponse(code, id), () => socket.destroy())
        })
      )
    )
    const listening = Layer.effect(
      HttpServer.HttpServer,
      Effect.gen(function* () {
        const serving = yield* NodeHttpServer.make(() => server, { host, port, gracefulShutdownTimeout: closeTimeout })
        // Before the wait for the last connection, which an idle client could draw out.
        yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
        return serving
      })
    )
    return Layer.merge(listening, NodeHttpServer.layerHttpServices)
  })
)

/** What Node's parser refuses never reaches a route: it is answered here, in the same shape. */
const answerBadRequests = (server: Server, refuse: (code: ErrorCode, socket: Socket) => void) => {
  const inFlight = new WeakMap<Socket, IncomingMessage>()
  server.on("request", (request: IncomingMessage) => inFlight.set(request.socket, request))
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy()
      return
    }
    // A route that is reading the body answers for itself.
    if (error.code === "ERR_HTTP_REQUEST_TIMEOUT" && inFlight.get(socket)?.emit(receiveTimeout) === true) return
    refuse(parserErrors[error.code ?? ""] ?? "invalid_request", socket)
  })
}

const parserErrors: Readonly<Record<string, ErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "request_timeout",
  HPE_HEADER_OVERFLOW: "request_header_fields_too_large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "payload_too_large"
}

const parserMessages: Partial<Record<ErrorCode, string>> = {
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
