import * as ByteSize from "effect/ByteSize"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Stream from "effect/Stream"
import { type CommandFailure, failure } from "./CommandFailure.ts"
import { type Answer, largestAnswer, originOf, readAnswer, unreached } from "./Server.ts"

/** The service answered whole instead of with events, as it does when it says no before the first token. */
export class WholeAnswer extends Data.TaggedError("WholeAnswer")<{ readonly answer: Answer }> {}

/** The connection broke, or ended before the answer did. */
export const brokeOff = (url: string) => failure("unreachable", `The answer at ${originOf(url)} broke off.`)

/** Whoever sends so much is not ai-ticket, and would fill our memory. */
export const tooLarge = (url: string) =>
  failure("unreachable", `The answer at ${originOf(url)} is too large to be one of ai-ticket's.`)

/** A backend that doesn't stream has its whole answer told in one event. */
const maxEventSize = ByteSize.toNumberUnsafe(largestAnswer)

/**
 * Sends a request and reads the events of its answer as they come: the data of each, without the comments between them.
 * What isn't read stays at the sender. Whoever stops reading closes the connection, by which the service learns that
 * nobody waits any more. With a longest silence it ends when nothing has come for so long, comments neither.
 */
export const serverEvents = (
  request: HttpClientRequest.HttpClientRequest,
  { longestSilence }: { readonly longestSilence?: Duration.Input } = {}
): Stream.Stream<string, CommandFailure | WholeAnswer, HttpClient.HttpClient> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      const { url } = request
      const broken = () => brokeOff(url)
      const response = yield* client
        .execute(HttpClientRequest.accept(request, "text/event-stream"))
        .pipe(
          Effect.provideService(HttpClient.TracerPropagationEnabled, false),
          Effect.mapError(unreached(originOf(url)))
        )
      if (response.status !== 200 || !/^text\/event-stream\b/i.test(response.headers["content-type"] ?? "")) {
        return yield* new WholeAnswer({ answer: yield* Effect.mapError(readAnswer(response), broken) })
      }
      const bytes = Stream.mapError(response.stream, broken)
      return (longestSilence === undefined ? bytes : Stream.timeout(bytes, longestSilence)).pipe(
        Stream.decodeText(),
        eventsIn(url)
      )
    })
  )

const eventsIn =
  (url: string) =>
  <E>(text: Stream.Stream<string, E>): Stream.Stream<string, E | CommandFailure> =>
    Stream.suspend(() => {
      let events: Array<string> = []
      const parser = Sse.makeParser(
        (event) => {
          if (event._tag === "Event") events.push(event.data)
        },
        { maxEventSize }
      )
      const read = (piece: string) => {
        events = []
        return parser.feed(piece) === undefined ? Effect.succeed(events) : Effect.fail(tooLarge(url))
      }
      return Stream.flattenIterable(Stream.mapEffect(text, read))
    })
