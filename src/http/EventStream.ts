import { ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { InferenceFailure } from "../domain/Failure.ts"
import type { AnswerPart } from "../domain/Generation.ts"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { monotonicMillis } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { commonHeaders } from "./CommonHeaders.ts"

/** How a surface writes an answer's parts as server-sent events; one for each response, since it may count. */
export interface Framing {
  readonly headers: Readonly<Record<string, string>>
  /** The text of a part, empty for none. */
  readonly part: (part: AnswerPart) => string
  /** The last event of a stream that broke off. */
  readonly failure: (failure: InferenceFailure) => string
}

/** A comment, which clients pass over: it shows proxies and clients that the connection lives. */
const keepAlive = ": keep-alive\n\n"

/**
 * Answers with a stream of server-sent events.
 *
 * Nothing is sent before the first part, so that a failure up to then is an ordinary answer with its status. From then on
 * the response is written here, straight to Node's: a reader that reads nothing holds what fits into its connection's
 * buffers and no more, and loses its stream after a while.
 */
export class EventStream extends Context.Service<
  EventStream,
  {
    /** Returns when the stream has ended, with a response that has been sent already. */
    readonly respond: (
      request: HttpServerRequest.HttpServerRequest,
      stream: Stream.Stream<AnswerPart, InferenceFailure>,
      framing: Framing
    ) => Effect.Effect<HttpServerResponse.HttpServerResponse, InferenceFailure>
  }
>()("ai-ticket/http/EventStream") {
  static readonly layer = Layer.effect(
    EventStream,
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const { streamKeepAliveSeconds, streamStallSeconds } = yield* Settings

      const head = Effect.fnUntraced(function* (response: ServerResponse, framing: Framing) {
        const record = yield* CurrentRequest
        const common =
          record === undefined
            ? {}
            : commonHeaders(record, (yield* monotonicMillis) - record.startedAt, lifecycle.draining())
        response.writeHead(200, {
          "content-type": "text/event-stream; charset=utf-8",
          "cache-control": "no-cache",
          // Nginx, and whoever takes after it, would gather the events.
          "x-accel-buffering": "no",
          ...common,
          ...framing.headers
        })
      })

      /** Writes a comment whenever nothing else was written for a while, and while the reader keeps up. */
      const keepAlong = (response: ServerResponse, lastWrite: () => number) => {
        const silence = streamKeepAliveSeconds * 1000
        const watch: Effect.Effect<never> = Effect.flatMap(monotonicMillis, (now) => {
          const left = lastWrite() + silence - now
          if (left > 0) return Effect.andThen(Effect.sleep(left), watch)
          if (!response.writableNeedDrain) response.write(keepAlive)
          return Effect.andThen(Effect.sleep(silence), watch)
        })
        return watch
      }

      const write = (response: ServerResponse, text: string): Effect.Effect<void, Stalled> =>
        text === "" || response.destroyed || response.write(text)
          ? Effect.void
          : Effect.timeoutOrElse(drained(response), {
              duration: streamStallSeconds * 1000,
              orElse: () => Effect.fail(stalled)
            })

      return EventStream.of({
        respond: (request, stream, framing) =>
          Effect.scoped(
            Effect.gen(function* () {
              const record = yield* CurrentRequest
              const pull = yield* Stream.toPull(stream)
              const first = yield* Effect.catchIf(pull, Cause.isDone, () =>
                Effect.succeed<ReadonlyArray<AnswerPart>>([])
              )
              const response = NodeHttpServerRequest.toServerResponse(request)
              if (!(response instanceof ServerResponse)) return yield* Effect.die("the server speaks HTTP/1 alone")
              yield* head(response, framing)
              let lastWrite = yield* monotonicMillis
              yield* Effect.forkScoped(keepAlong(response, () => lastWrite))

              const send = (parts: ReadonlyArray<AnswerPart>) =>
                Effect.flatMap(monotonicMillis, (now) => {
                  lastWrite = now
                  return write(response, parts.map(framing.part).join(""))
                })
              const rest: Pull.Pull<never, InferenceFailure | Stalled> = Effect.flatMap(pull, (parts) =>
                Effect.andThen(send(parts), rest)
              )
              yield* Effect.andThen(send(first), rest).pipe(
                Effect.catch((error) => {
                  if (Cause.isDone(error)) return Effect.void
                  if (error._tag === "Stalled") {
                    response.destroy()
                    return Effect.interrupt
                  }
                  if (record !== undefined) record.error = error.code
                  return Effect.ignore(write(response, framing.failure(error)))
                })
              )
              response.end()
              return sent
            })
          )
      })
    })
  )
}

/** The reader has not read for too long. */
interface Stalled {
  readonly _tag: "Stalled"
}
const stalled: Stalled = { _tag: "Stalled" }

/** What is left to say of a response that has been written: its status, for log and metrics. */
const sent = HttpServerResponse.empty({ status: 200 })

const drained = (response: ServerResponse): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const onDrain = () => resume(Effect.void)
    response.once("drain", onDrain)
    return Effect.sync(() => response.off("drain", onDrain))
  })
