import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import {
  InvalidRequest,
  type Overloaded,
  PayloadTooLarge,
  RequestTimeout,
  type ShuttingDown
} from "../domain/Failure.ts"
import type { Ending } from "../services/Ending.ts"
import { Settings } from "../services/Settings.ts"
import { BodyRoom, noRoom } from "./BodyRoom.ts"
import { writeContinue } from "./RequestHead.ts"

/** The events by which the server tells whoever reads a body that it won't come: its rest is overdue, or nonsense. */
export const overdueBody = "ai-ticket overdue body"
export const brokenBody = "ai-ticket broken body"

/** Why there is no body. */
type Unread = PayloadTooLarge | InvalidRequest | RequestTimeout | Overloaded | ShuttingDown

/**
 * Reads request bodies, each up to the limit and all together up to 64 times that: the waiting line only bounds those
 * that have come whole.
 *
 * It listens to Node's request itself: Effect's reader waits for the stream to close, which costs each request two more
 * turns of the event loop (docs/adr/0006).
 */
export class RequestBody extends Context.Service<
  RequestBody,
  {
    /** Fails with the ending's error if that comes first. */
    readonly read: (
      request: HttpServerRequest.HttpServerRequest,
      ending: Ending<ShuttingDown>
    ) => Effect.Effect<string, Unread>
  }
>()("ai-ticket/http/RequestBody") {
  static readonly layer = Layer.effect(
    RequestBody,
    Effect.gen(function* () {
      const { maxBodyBytes: limitBytes } = yield* Settings
      const room = yield* BodyRoom
      return RequestBody.of({
        read: (request, ending) =>
          Effect.callback((resume) => {
            if (Number(request.headers["content-length"] ?? 0) > limitBytes) {
              return resume(Effect.fail(new PayloadTooLarge({ limitBytes })))
            }
            const incoming = NodeHttpServerRequest.toIncomingMessage(request)
            const chunks: Array<Uint8Array> = []
            let bytes = 0
            const finish = (result: Effect.Effect<string, Unread>) => {
              stop()
              resume(result)
            }
            const onData = (chunk: Uint8Array) => {
              bytes += chunk.length
              const fits = room.take(chunk.length)
              chunks.push(chunk)
              if (bytes > limitBytes) finish(Effect.fail(new PayloadTooLarge({ limitBytes })))
              else if (!fits) finish(Effect.fail(noRoom))
            }
            const onEnd = () => finish(decode(chunks))
            const onError = () => finish(unreadable)
            const onTimeout = () => finish(Effect.fail(new RequestTimeout()))
            const listeners = [
              ["data", onData],
              ["end", onEnd],
              ["error", onError],
              [brokenBody, onError],
              [overdueBody, onTimeout]
            ] as const
            let forget = () => {}
            const stop = () => {
              forget()
              room.give(bytes)
              bytes = 0
              for (const [event, listener] of listeners) incoming.off(event, listener)
            }
            writeContinue(request)
            for (const [event, listener] of listeners) incoming.on(event, listener)
            forget = ending((error) => finish(Effect.fail(error)))
            return Effect.sync(stop)
          })
      })
    })
  )
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

const decode = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<string, InvalidRequest> =>
  Effect.try({
    try: () => utf8.decode(Buffer.concat(chunks)),
    catch: () => new InvalidRequest({ details: "the body is not UTF-8" })
  })

const unreadable = Effect.fail(new InvalidRequest({ details: "the body could not be read" }))
