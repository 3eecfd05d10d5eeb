import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { InvalidRequest, PayloadTooLarge, RequestTimeout } from "../domain/Failure.ts"

const utf8 = new TextDecoder()

/** The event by which the server tells whoever reads a body that the rest of it is overdue. */
export const receiveTimeout = "ai-ticket receive timeout"

/**
 * The body of a request as text, if it is no longer than the limit.
 *
 * It listens to Node's request itself: Effect's reader waits for the stream to close, which costs each request two more
 * turns of the event loop (docs/performance.md).
 */
export const readBody = (
  request: HttpServerRequest.HttpServerRequest,
  limitBytes: number
): Effect.Effect<string, PayloadTooLarge | InvalidRequest | RequestTimeout> =>
  Effect.callback((resume) => {
    if (Number(request.headers["content-length"] ?? 0) > limitBytes) {
      return resume(Effect.fail(new PayloadTooLarge({ limitBytes })))
    }
    const incoming = NodeHttpServerRequest.toIncomingMessage(request)
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    const onData = (chunk: Uint8Array) => {
      bytes += chunk.length
      if (bytes <= limitBytes) return void chunks.push(chunk)
      stop()
      resume(Effect.fail(new PayloadTooLarge({ limitBytes })))
    }
    const onEnd = () => {
      stop()
      resume(Effect.succeed(utf8.decode(Buffer.concat(chunks))))
    }
    const onError = () => {
      stop()
      resume(Effect.fail(new InvalidRequest({ details: "the body could not be read" })))
    }
    const onTimeout = () => {
      stop()
      resume(Effect.fail(new RequestTimeout()))
    }
    const stop = () =>
      void incoming.off("data", onData).off("end", onEnd).off("error", onError).off(receiveTimeout, onTimeout)
    if (request.headers["expect"]?.toLowerCase() === "100-continue") {
      NodeHttpServerRequest.toServerResponse(request).writeContinue()
    }
    incoming.on("data", onData).on("end", onEnd).on("error", onError).on(receiveTimeout, onTimeout)
    return Effect.sync(stop)
  })
