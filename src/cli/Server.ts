import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import { counted } from "../domain/Counted.ts"
import { type CommandFailure, failure } from "./CommandFailure.ts"
import { whyUnreachable } from "./Unreachable.ts"

/** An answer of the service, whatever its status. */
export interface Answer {
  readonly status: number
  readonly text: string
  /** `Retry-After`, as it came. */
  readonly retryAfter: string | undefined
}

/** More than any model writes. */
export const largestAnswer = ByteSize.mebibytes(32)

/** Where a URL leads, as it is told. */
export const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : url)

/** Why there was no answer at all. */
export const unreached =
  (origin: string) =>
  (error: HttpClientError.HttpClientError): CommandFailure =>
    failure("unreachable", `Could not reach ai-ticket at ${origin}: ${whyUnreachable(error)}.`)

/** Reads a whole answer, if it isn't larger than any of ours. */
export const readAnswer = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  return {
    status: response.status,
    text: yield* Effect.provideService(response.text, HttpIncomingMessage.MaxBodySize, largestAnswer),
    retryAfter: response.headers["retry-after"]
  } satisfies Answer
})

/** Gives up an exchange that isn't over in time. */
export const withinTime =
  (origin: string, timeoutMillis: number | undefined) =>
  <A, E, R>(exchange: Effect.Effect<A, E, R>): Effect.Effect<A, E | CommandFailure, R> =>
    timeoutMillis === undefined
      ? exchange
      : Effect.timeoutOrElse(exchange, {
          duration: timeoutMillis,
          orElse: () =>
            Effect.fail(
              failure(
                "unreachable",
                `No whole answer from ai-ticket at ${origin} within ${counted(timeoutMillis / 1000, "second")}.`
              )
            )
        })

/**
 * Sends a request and reads the whole answer; interrupting it closes the connection, by which the service learns that
 * nobody waits any more. Fails as `unreachable` without a whole answer, or without one in time.
 */
export const send = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest, timeoutMillis?: number) {
  const client = yield* HttpClient.HttpClient
  const origin = originOf(request.url)
  return yield* Effect.flatMap(client.execute(HttpClientRequest.acceptJson(request)), readAnswer).pipe(
    Effect.provideService(HttpClient.TracerPropagationEnabled, false),
    Effect.mapError((error) =>
      error.reason._tag === "DecodeError"
        ? failure("unreachable", `The answer at ${origin} broke off, or is too large to be one of ai-ticket's.`)
        : unreached(origin)(error)
    ),
    withinTime(origin, timeoutMillis)
  )
})
