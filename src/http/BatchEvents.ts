import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { resultLine } from "../domain/Batch.ts"
import { completionBody } from "../domain/Completion.ts"
import type { ErrorBody } from "../domain/ErrorCatalogue.ts"
import { eventId } from "../domain/Event.ts"
import { type CutShort, errorBody, ShuttingDown } from "../domain/Failure.ts"
import { type Line, readLine } from "../domain/JsonLines.ts"
import { CurrentRequest, type RequestRecord } from "../services/CurrentRequest.ts"
import { comeTo, type Ending, endedBy } from "../services/Ending.ts"
import { InferencePipeline } from "../services/InferencePipeline.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { Metrics } from "../services/Metrics.ts"
import { millisOf, monotonicMillis } from "../services/MonotonicClock.ts"
import { RateLimit } from "../services/RateLimit.ts"
import { Settings } from "../services/Settings.ts"
import type { CacheControl } from "../services/Sharing.ts"
import { Fellows } from "../services/workers/Fellows.ts"
import { wentWrong } from "./FailureResponse.ts"

/** What an event of a batch needs to know of its request. */
export interface BatchRequest {
  /** A remembered one: it may come before the event does. */
  readonly ending: Ending<CutShort>
  readonly timeout?: Duration.Input
  /** What it says of answers that aren't its own. */
  readonly cacheControl?: CacheControl
}

/** What is done with the single events of the batches that come over HTTP. */
export class BatchEvents extends Context.Service<
  BatchEvents,
  {
    /** Counts an event against its client's limit, and waits where that is used up: a batch is not refused, but slowed. */
    readonly count: (record: RequestRecord, ending: Ending<CutShort>) => Effect.Effect<void>
    /** The line of a result: whatever goes wrong with an event is told there. */
    readonly answer: (line: Line, index: number, request: BatchRequest) => Effect.Effect<string>
  }
>()("ai-ticket/http/BatchEvents") {
  static readonly layer = Layer.effect(
    BatchEvents,
    Effect.gen(function* () {
      const { maxBodyBytes, queueLimit, requestTimeoutSeconds, slots } = yield* Settings
      const lifecycle = yield* Lifecycle
      const metrics = yield* Metrics
      const pipeline = yield* InferencePipeline
      const rateLimit = yield* RateLimit
      const { workers = 1 } = (yield* Fellows) ?? {}
      /** All batches together leave half of the line to those who ask for one thing; each worker has a share of it. */
      const turns = yield* Semaphore.make(Math.max(1, Math.ceil(Math.max(slots, Math.floor(queueLimit / 2)) / workers)))

      const ask = (event: unknown, { ending, timeout = requestTimeoutSeconds * 1000, ...more }: BatchRequest) =>
        turns
          .withPermit(
            Effect.flatMap(monotonicMillis, (startedAt) => {
              const over = lifecycle.draining() ? new ShuttingDown() : comeTo(ending)
              return over === undefined
                ? pipeline.onEvent(event, { ...more, ending, startedAt, timeout, patience: timeout })
                : Effect.fail(over)
            })
          )
          .pipe(endedBy(ending))

      return BatchEvents.of({
        count: (record, ending) => {
          const counted: Effect.Effect<void> = Effect.suspend(() =>
            lifecycle.draining()
              ? Effect.void
              : Effect.matchEffect(rateLimit.take({ address: record.client, caller: { tokenId: record.tokenId } }), {
                  onFailure: ({ retryAfterMillis }) => Effect.andThen(Effect.sleep(retryAfterMillis), counted),
                  onSuccess: () => Effect.void
                })
          )
          return counted.pipe(endedBy(ending), Effect.ignore)
        },
        answer: (line, index, request) =>
          Effect.withFiber((fiber) => {
            const clock = fiber.getRef(Clock.Clock)
            const startedAt = millisOf(clock)
            const ended = (error?: ErrorBody) =>
              metrics.ended({
                route: "/events",
                status: error?.status_code ?? 200,
                code: error?.error,
                requestId: fiber.getRef(CurrentRequest)?.id ?? "",
                millis: millisOf(clock) - startedAt
              })
            const failed = (body: ErrorBody, id?: string | number) => {
              ended(body)
              return resultLine(index, id, body)
            }
            const read = readLine(line, maxBodyBytes)
            if (Result.isFailure(read)) return Effect.succeed(failed(errorBody(read.failure)))
            const event = read.success
            return ask(event, request).pipe(
              Effect.match({
                onFailure: (failure) => failed(errorBody(failure), eventId(event)),
                onSuccess: (completion) => {
                  ended()
                  return resultLine(index, completion.id, completionBody(completion))
                }
              }),
              Effect.catchDefect((defect) =>
                Effect.as(Effect.logError("internal error", Cause.die(defect)), failed(wentWrong, eventId(event)))
              )
            )
          })
      })
    })
  )
}
