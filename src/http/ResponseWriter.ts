import { ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { millisOf, monotonicMillis } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { commonHeaders } from "./CommonHeaders.ts"
import { type EventWriter, makeEventWriter } from "./EventWriter.ts"

/** How an answer begins that is written piece by piece. */
export interface Opening {
  readonly headers: Readonly<Record<string, string>>
  /** Sends the head at once, before there is anything to say. */
  readonly early?: boolean
  /** What is written when nothing else was for a while. It shows proxies, clients and us that the connection lives. */
  readonly keepAlive: string
  /** How long a while is at most, in milliseconds, whatever the setting says. */
  readonly longestSilence?: number
}

/** An answer that is written straight to Node's response. */
export interface Writer extends EventWriter {
  /** Sends the head with status 200; the connection is kept alive for as long as the scope is open. */
  readonly begin: (opening: Opening) => Effect.Effect<void, never, Scope.Scope>
  /** Cuts off a reader that has stalled. As if it had left: that is what whoever writes is interrupted for. */
  readonly giveUp: Effect.Effect<never>
  /** Ends the answer, and tells what is left to say of it: its status, for log and metrics. Waits for no reader. */
  readonly finish: (text: string) => Effect.Effect<HttpServerResponse.HttpServerResponse>
}

/**
 * Writes answers piece by piece: a reader that reads nothing holds what fits into its connection's buffers and no more,
 * and loses its answer after a while.
 */
export class ResponseWriter extends Context.Service<
  ResponseWriter,
  {
    readonly make: (request: HttpServerRequest.HttpServerRequest) => Effect.Effect<Writer>
  }
>()("ai-ticket/http/ResponseWriter") {
  static readonly layer = Layer.effect(
    ResponseWriter,
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const { streamKeepAliveSeconds, streamStallSeconds } = yield* Settings
      const scope = yield* Effect.scope

      /** Writes a sign of life whenever nothing else was written for a while, and while the reader keeps up. */
      const keepAlong = (writer: EventWriter, text: string, longest: number) => {
        const silence = Math.min(longest, streamKeepAliveSeconds * 1000)
        const watch: Effect.Effect<never> = Effect.flatMap(monotonicMillis, (now) => {
          const left = writer.lastWrite() + silence - now
          if (left <= 0) writer.comment(text)
          return Effect.andThen(Effect.sleep(left > 0 ? left : silence), watch)
        })
        return watch
      }

      return ResponseWriter.of({
        make: (request) =>
          Effect.withFiber((fiber) => {
            const response = NodeHttpServerRequest.toServerResponse(request)
            if (!(response instanceof ServerResponse)) return Effect.die("the server speaks HTTP/1 alone")
            const clock = fiber.getRef(Clock.Clock)
            const record = fiber.getRef(CurrentRequest)
            const writer = makeEventWriter(response, { clock, stallMillis: streamStallSeconds * 1000 })
            return Effect.succeed<Writer>({
              ...writer,
              begin: ({ early = false, headers, keepAlive, longestSilence = Number.POSITIVE_INFINITY }) =>
                Effect.suspend(() => {
                  const common =
                    record === undefined
                      ? {}
                      : commonHeaders(record, millisOf(clock) - record.startedAt, lifecycle.leaving())
                  response.writeHead(200, {
                    "cache-control": "no-cache",
                    // Nginx, and whoever takes after it, would gather the pieces.
                    "x-accel-buffering": "no",
                    ...common,
                    ...headers
                  })
                  if (early) response.flushHeaders()
                  return Effect.forkScoped(keepAlong(writer, keepAlive, longestSilence))
                }),
              giveUp: Effect.suspend(() => {
                response.destroy()
                // The end of the connection interrupts it.
                return Effect.never
              }),
              finish: (text) =>
                Effect.suspend(() => {
                  const unread = writer.end(text)
                  // Nothing is held for it any more but its connection.
                  return unread === undefined ? Effect.succeed(sent) : Effect.as(Effect.forkIn(unread, scope), sent)
                })
            })
          })
      })
    })
  )
}

const sent = HttpServerResponse.empty({ status: 200 })
