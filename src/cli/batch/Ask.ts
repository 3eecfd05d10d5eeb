import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { eventId } from "../../domain/Event.ts"
import { bodyFor, errorBody, InvalidRequest } from "../../domain/Failure.ts"
import { isJsonObject, type JsonObject } from "../../domain/Prompt.ts"
import { parseRetryAfter } from "../../domain/RetryAfter.ts"
import { monotonicMillis } from "../../services/MonotonicClock.ts"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import { send } from "../Server.ts"
import type { BatchEvent } from "./Input.ts"
import { failed, readReply, type Told } from "./Reply.ts"
import { askAgain, type Setback } from "./Setbacks.ts"

/** Whom to ask, and how. */
export interface AskOptions {
  readonly serverUrl: string
  readonly token: Option.Option<Redacted.Redacted>
  /** Seconds for each event. */
  readonly timeout: Option.Option<number>
  /** Seconds that an event may be refused. */
  readonly patience: number
  /** What an event is sampled with that doesn't say so itself. */
  readonly defaults: JsonObject
}

/** How much longer than the service we wait, so that it is the service that tells what went wrong. */
const graceMillis = 5_000

/**
 * Gets the results of events from the service, however often it has to ask, and tells how many events wait to ask again. It
 * fails only with what ends the batch: a service that is gone, one that lets nobody in, or something else that listens
 * there.
 */
export const makeAsk = (options: AskOptions) => {
  const { patience, serverUrl } = options
  const timeoutMillis = Option.getOrUndefined(Option.map(options.timeout, (limit) => limit * 1000 + graceMillis))
  /** When the service last answered anybody. */
  let answeredAt: number | undefined
  const waiting = new Set<BatchEvent>()

  const ask = Effect.fnUntraced(function* (batchEvent: BatchEvent) {
    const { event, id } = batchEvent
    if (Result.isFailure(event)) return failed(event.failure.code, errorBody(event.failure))
    const made = requestFor(options, event.success, id)
    if (Result.isFailure(made)) return failed(made.failure.code, errorBody(made.failure))
    const request = made.success
    let lostSince: number | undefined

    const lost = (reason: CommandFailure) =>
      Effect.flatMap(monotonicMillis, (now) => {
        lostSince ??= now
        return Effect.fail<Setback>({ _tag: "Lost", failure: reason, since: lostSince })
      })

    const once = Effect.gen(function* () {
      waiting.delete(batchEvent)
      const sent = send(request, timeoutMillis)
      const answer = yield* Effect.catchTag(sent, "CommandFailure", lost)
      const reply = readReply(answer, serverUrl)
      if (reply._tag === "Lost") return yield* lost(awayBehind(serverUrl, answer.status))
      if (reply._tag === "Stop") return yield* reply.failure
      answeredAt = yield* monotonicMillis
      lostSince = undefined
      if (reply._tag === "Told") return reply.told
      const retryAfterMillis = parseRetryAfter(answer.retryAfter, yield* Clock.currentTimeMillis)
      return yield* Effect.fail<Setback>({ _tag: "Refused", told: reply.told, retryAfterMillis })
    })

    const patientUntil = (yield* monotonicMillis) + patience * 1000
    return yield* once.pipe(
      Effect.tapError(() => Effect.sync(() => waiting.add(batchEvent))),
      Effect.retry(askAgain({ patientUntil, wasThere: () => answeredAt !== undefined })),
      Effect.catchTags({
        Refused: ({ told }) => Effect.succeed(told),
        Lost: ({ failure: reason, since }) =>
          // Others have been answered meanwhile: it is this event that the connection breaks for.
          answeredAt !== undefined && answeredAt > since ? Effect.succeed(broken) : Effect.fail(reason)
      }),
      Effect.ensuring(Effect.sync(() => waiting.delete(batchEvent)))
    )
  })

  return { ask, waiting: () => waiting.size }
}

const broken: Told = failed(
  "api_connection_error",
  bodyFor("api_connection_error", "The connection to ai-ticket broke, however often it was tried.")
)

const awayBehind = (url: string, status: number) =>
  failure("unreachable", `Could not reach ai-ticket at ${url}: who stands before it answers with status ${status}.`)

/** JSON's writer gives up where its reader didn't. */
const tooDeep = new InvalidRequest({ details: "the event is nested too deeply" })

const requestFor = (
  { defaults, serverUrl, timeout, token }: AskOptions,
  event: JsonObject,
  id: string | number
): Result.Result<HttpClientRequest.HttpClientRequest, InvalidRequest> => {
  const body = { ...defaults, ...unstreamed(event), ...(eventId(event) === undefined ? { id } : {}) }
  const written = Result.try(() => HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${serverUrl}/event`), body))
  return Result.mapBoth(written, {
    onFailure: () => tooDeep,
    onSuccess: HttpClientRequest.setHeaders({
      authorization: Option.getOrUndefined(Option.map(token, (secret) => `Bearer ${Redacted.value(secret)}`)),
      "x-request-timeout": Option.getOrUndefined(Option.map(timeout, String))
    })
  })
}

/** A result is a whole answer, whatever the event asks for. */
const unstreamed = (event: JsonObject): JsonObject => {
  const { content } = event
  return { ...withoutStream(event), ...(isJsonObject(content) ? { content: withoutStream(content) } : {}) }
}

const withoutStream = ({ stream: _, ...others }: JsonObject): JsonObject => others
