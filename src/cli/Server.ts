import * as ByteSize from "effect/ByteSize"
import * as Config from "effect/Config"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { counted } from "../domain/Counted.ts"
import { failure } from "./CommandFailure.ts"
import { whyUnreachable } from "./Unreachable.ts"

const readUrl = (text: string): Option.Option<string> =>
  Option.flatMap(Option.liftThrowable(() => new URL(text))(), (url) =>
    /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" && url.search + url.hash === ""
      ? Option.some(url.href.replace(/\/+$/, ""))
      : Option.none()
  )

/** `--server-url`: where the service listens. */
export const serverUrl = Flag.String("server-url").pipe(
  Flag.withDescription("Where ai-ticket listens (http://localhost:5000)"),
  Flag.withMetavar("URL"),
  Flag.withDefault("http://localhost:5000"),
  Flag.filterMap(readUrl, () => "an http or https URL without credentials, query or fragment")
)

/** `--token`, else `AI_TICKET_TOKEN`. */
export const token = Flag.Redacted("token").pipe(
  Flag.withDescription("The token to be let in with; better kept in AI_TICKET_TOKEN, which no process list shows"),
  Flag.withMetavar("TOKEN"),
  Flag.withFallbackConfig(Config.Redacted("AI_TICKET_TOKEN")),
  Flag.filter(
    (secret) => /^[\x21-\x7e]+$/.test(Redacted.value(secret)),
    () => "printable characters without spaces"
  ),
  Flag.optional
)

/** An answer of the service, whatever its status. */
export interface Answer {
  readonly status: number
  readonly text: string
  /** `Retry-After`, as it came. */
  readonly retryAfter: string | undefined
}

/** More than any model writes. */
const largestAnswer = ByteSize.mebibytes(32)

/**
 * Sends a request and reads the whole answer; interrupting it closes the connection, by which the service learns that
 * nobody waits any more. Fails as `unreachable` without a whole answer, or without one in time.
 */
export const send = Effect.fnUntraced(function* (
  request: HttpClientRequest.HttpClientRequest,
  options: { readonly timeoutMillis?: number } = {}
) {
  const client = yield* HttpClient.HttpClient
  const origin = URL.canParse(request.url) ? new URL(request.url).origin : request.url
  const exchange = Effect.gen(function* () {
    const response = yield* client.execute(HttpClientRequest.acceptJson(request))
    return {
      status: response.status,
      text: yield* response.text,
      retryAfter: response.headers["retry-after"]
    } satisfies Answer
  }).pipe(
    Effect.provideService(HttpClient.TracerPropagationEnabled, false),
    Effect.provideService(HttpIncomingMessage.MaxBodySize, largestAnswer),
    Effect.mapError((error) =>
      failure(
        "unreachable",
        error.reason._tag === "DecodeError"
          ? `The answer at ${origin} broke off, or is too large to be one of ai-ticket's.`
          : `Could not reach ai-ticket at ${origin}: ${whyUnreachable(error)}.`
      )
    )
  )
  const { timeoutMillis } = options
  if (timeoutMillis === undefined) return yield* exchange
  return yield* Effect.timeoutOrElse(exchange, {
    duration: timeoutMillis,
    orElse: () =>
      Effect.fail(
        failure(
          "unreachable",
          `No answer from ai-ticket at ${origin} within ${counted(timeoutMillis / 1000, "second")}.`
        )
      )
  })
})
