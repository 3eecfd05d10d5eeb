import { ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import { type Ending, none } from "../services/Ending.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { monotonicMillis } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { commonHeaders } from "./CommonHeaders.ts"

/** How an answer begins that is written piece by piece. */
export interface Opening {
  readonly headers: Readonly<Record<string, string>>
  /** Sends the head at once, before there is anything to say. */
  readonly early?: boolean
  /** What is written when nothing else was for a while. It shows proxies, clients and us that the connection lives. */
  readonly keepAlive: string
  /** From then on nobody waits for a slow reader. */
  readonly ending?: Ending<unknown>
}

export interface Writer {
  /**
   * Returns when there is room for more. A reader that has read nothing for too long loses the answer, and whoever
   * writes is interrupted.
   */
  readonly write: (text: string) => Effect.Effect<void>
  /** Ends the answer, and tells what is left to say of it: its status, for log and metrics. */
  readonly end: Effect.Effect<HttpServerResponse.HttpServerResponse>
}

/**
 * Writes answers straight to Node's response: a reader that reads nothing holds what fits into its connection's buffers
 * and no more, and loses its answer after a while.
 */
export class ResponseWriter extends Context.Service<
  ResponseWriter,
  {
    /** Sends the head with status 200; the connection is kept alive for as long as the scope is open. */
    readonly open: (
      request: HttpServerRequest.HttpServerRequest,
      opening: Opening
    ) => Effect.Effect<Writer, never, Scope.Scope>
  }
>()("ai-ticket/http/ResponseWriter") {
  static readonly layer = Layer.effect(
    ResponseWriter,
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const { streamKeepAliveSeconds, streamStallSeconds } = yield* Settings

      /** Writes a sign of life whenever nothing else was written for a while, and while the reader keeps up. */
      const keepAlong = (response: ServerResponse, text: string, lastWrite: () => number) => {
        const silence = streamKeepAliveSeconds * 1000
        const watch: Effect.Effect<never> = Effect.flatMap(monotonicMillis, (now) => {
          const left = lastWrite() + silence - now
          if (left > 0) return Effect.andThen(Effect.sleep(left), watch)
          if (!response.writableNeedDrain) response.write(text)
          return Effect.andThen(Effect.sleep(silence), watch)
        })
        return watch
      }

      return ResponseWriter.of({
        open: Effect.fnUntraced(function* (request, { early = false, ending = none, headers, keepAlive }) {
          const response = NodeHttpServerRequest.toServerResponse(request)
          if (!(response instanceof ServerResponse)) return yield* Effect.die("the server speaks HTTP/1 alone")
          const record = yield* CurrentRequest
          let lastWrite = yield* monotonicMillis
          const common =
            record === undefined ? {} : commonHeaders(record, lastWrite - record.startedAt, lifecycle.draining())
          response.writeHead(200, {
            "cache-control": "no-cache",
            // Nginx, and whoever takes after it, would gather the pieces.
            "x-accel-buffering": "no",
            ...common,
            ...headers
          })
          if (early) response.flushHeaders()
          yield* Effect.forkScoped(keepAlong(response, keepAlive, () => lastWrite))

          // As if the reader had left: that is what it is interrupted for, and logged as.
          const giveUp = Effect.andThen(
            Effect.sync(() => response.destroy()),
            Effect.never
          )
          return {
            write: (text) =>
              Effect.flatMap(monotonicMillis, (now) => {
                lastWrite = now
                return text === "" || response.destroyed || response.write(text)
                  ? Effect.void
                  : Effect.timeoutOrElse(drained(response, ending), {
                      duration: streamStallSeconds * 1000,
                      orElse: () => giveUp
                    })
              }),
            end: Effect.sync(() => {
              response.end()
              return sent
            })
          }
        })
      })
    })
  )
}

const sent = HttpServerResponse.empty({ status: 200 })

/** Returns when the reader has caught up, or when there is no time left for it. */
const drained = (response: ServerResponse, ending: Ending<unknown>): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    let forget = () => {}
    const stop = () => {
      forget()
      response.off("drain", done)
    }
    const done = () => {
      stop()
      resume(Effect.void)
    }
    response.on("drain", done)
    forget = ending(done)
    return Effect.sync(stop)
  })
