import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { InferenceFailure } from "../domain/Failure.ts"
import type { AnswerPart } from "../domain/Generation.ts"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import { AlsoTold } from "../services/Ending.ts"
import type { EventWriter, Stalled } from "./EventWriter.ts"
import { ResponseWriter } from "./ResponseWriter.ts"

/** How a surface writes an answer's parts as server-sent events; one for each response, since it may count. */
export interface Framing {
  readonly headers: Readonly<Record<string, string>>
  /** The text of a part, empty for none. */
  readonly part: (part: AnswerPart) => string
  /** The last event of a stream that broke off. */
  readonly failure: (failure: InferenceFailure) => string
}

/** A comment, which clients pass over: it shows proxies and clients that the connection lives. */
export const keepAliveComment = ": keep-alive\n\n"

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
      const writers = yield* ResponseWriter

      /** Writes the parts as they come. Gives what is still to be written: how the stream broke off, or nothing. */
      const pour = (
        pull: Pull.Pull<Parts, InferenceFailure>,
        first: ReadonlyArray<AnswerPart>,
        { part, failure }: Framing,
        writer: EventWriter
      ) =>
        Effect.withFiber<string, Stalled>((fiber) => {
          const write = (parts: ReadonlyArray<AnswerPart>): Pull.Pull<never, InferenceFailure | Stalled> => {
            let text = ""
            for (const one of parts) text += part(one)
            const kept = writer.write(text)
            return kept === undefined ? rest : Effect.andThen(kept, rest)
          }
          const rest = Effect.flatMap(pull, write)
          return Effect.catch(write(first), (error) => {
            if (Cause.isDone(error)) return Effect.succeed("")
            if (error._tag === "Stalled") return Effect.fail(error)
            const record = fiber.getRef(CurrentRequest)
            if (record !== undefined) {
              record.error = error.code
              record.details = "details" in error ? error.details : undefined
            }
            return Effect.succeed(failure(error))
          })
        })

      return EventStream.of({
        respond: Effect.fnUntraced(function* (request, stream, framing) {
          const writer = yield* writers.make(request)
          const last = yield* Effect.scoped(
            Effect.gen(function* () {
              // `Stream.toPull` would copy the fiber's context for each token.
              const pull = yield* Channel.toPullScoped(Stream.toChannel(stream), yield* Effect.scope)
              const first = yield* Effect.catchIf(pull, Cause.isDone, () => Effect.succeed([]))
              const headers = { "content-type": "text/event-stream; charset=utf-8", ...framing.headers }
              yield* writer.begin({ headers, keepAlive: keepAliveComment })
              return yield* Effect.catch(pour(pull, first, framing, writer), () => writer.giveUp)
            })
          ).pipe(Effect.provideService(AlsoTold, writer.hurry))
          return yield* writer.finish(last)
        })
      })
    })
  )
}

type Parts = readonly [AnswerPart, ...ReadonlyArray<AnswerPart>]
