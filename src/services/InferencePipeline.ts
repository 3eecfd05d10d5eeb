import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { BatchResult } from "../domain/Batch.ts"
import type { Completion } from "../domain/Completion.ts"
import { eventId } from "../domain/Event.ts"
import type { InferenceFailure } from "../domain/Failure.ts"
import { endedBy, none } from "./Ending.ts"
import { type EventOptions, Inference } from "./Inference.ts"
import { monotonicMillis } from "./MonotonicClock.ts"

/** What a batch may ask for, for each of its events. */
export interface PatientOptions extends EventOptions {
  /**
   * How long an event may be refused, because the line is full or no backend is up, before that is its result: an hour
   * if not given. `timeout` is for each try by itself.
   */
  readonly patience?: Duration.Input
}

/** What a batch whose results come all at once may ask for. */
export interface BatchOptions extends Omit<PatientOptions, "startedAt"> {
  /** Events at once: 8 if not given, 1 to 1024. */
  readonly maxConcurrency?: number
}

/** What a batch whose results come one by one may ask for. */
export interface ResultsOptions extends BatchOptions {
  /** Gives the results in the order of the events, and not as they come. */
  readonly ordered?: boolean
}

/** Events as they were sent, whatever shape they have. */
export type Events<E = never, R = never> = Iterable<unknown> | Stream.Stream<unknown, E, R>

/** How many events of a batch are asked for at once, unless somebody says otherwise. */
export const usualConcurrency = 8

/**
 * Many events through one inference.
 *
 * A failed event is a result like any other and never ends its batch. A batch is patient: an event that meets a full line,
 * or no backend, waits and tries again. Events are taken as results are read, so that no more of either are in memory than
 * `maxConcurrency`. Whoever stops reading, or is interrupted, aborts what is with the backends.
 */
export class InferencePipeline extends Context.Service<
  InferencePipeline,
  {
    /** One event, with a batch's patience. */
    readonly onEvent: (event: unknown, options?: PatientOptions) => Effect.Effect<Completion, InferenceFailure>
    /** The results as they come. It fails only where the events' own stream does, behind the results so far. */
    readonly results: <E = never, R = never>(
      events: Events<E, R>,
      options?: ResultsOptions
    ) => Stream.Stream<BatchResult, E, R>
    /** All results, in the order of the events. */
    readonly runBatch: <E = never, R = never>(
      events: Events<E, R>,
      options?: BatchOptions
    ) => Effect.Effect<Array<BatchResult>, E, R>
  }
>()("ai-ticket/services/InferencePipeline") {
  static readonly layer = Layer.effect(
    InferencePipeline,
    Effect.map(Inference, (inference) => {
      const onEvent: InferencePipeline["Service"]["onEvent"] = (event, options = {}) => {
        // It ends the waits between the tries, too.
        const { ending = none, patience = usualPatience, ...each } = options
        return Effect.flatMap(monotonicMillis, (start) =>
          inference
            .onEvent(event, each)
            .pipe(
              Effect.retry(whileRefused(start + Duration.toMillis(Duration.fromInputUnsafe(patience)))),
              endedBy(ending)
            )
        )
      }

      const results: InferencePipeline["Service"]["results"] = (events, options = {}) => {
        const { maxConcurrency = usualConcurrency, ordered = false, ...patient } = options
        // One by one: whatever makes the events is asked for no more than are taken.
        const source = Stream.isStream(events) ? events : Stream.fromIterable(events, { chunkSize: 1 })
        const resultOf = (event: unknown, index: number): Effect.Effect<BatchResult> =>
          Effect.map(Effect.result(onEvent(event, patient)), (result) => ({
            index,
            id: Result.isSuccess(result) ? result.success.id : eventId(event),
            result
          }))
        return Stream.mapEffect(source, resultOf, { concurrency: atOnce(maxConcurrency), unordered: !ordered })
      }

      return InferencePipeline.of({
        onEvent,
        results,
        runBatch: (events, options) => Stream.runCollect(results(events, { ...options, ordered: true }))
      })
    })
  )
}

const usualPatience = Duration.hours(1)

const mostAtOnce = 1024

const atOnce = (asked: number): number => Math.min(mostAtOnce, Math.max(1, Math.floor(asked) || 1))

/**
 * Tries again while there is no room or no backend, after as long as the refusal says and a tenth of a second, with 20%
 * jitter on that tenth, so that the events of a batch don't come back as one. Monotonic milliseconds.
 */
const whileRefused = (until: number) =>
  Schedule.spaced("100 millis").pipe(
    Schedule.jittered,
    Schedule.setInputType<InferenceFailure>(),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(Duration.sum(duration, Duration.millis(refusedFor(input) ?? 0)))
    ),
    Schedule.while(({ duration, input }) =>
      refusedFor(input) === undefined
        ? Effect.succeed(false)
        : Effect.map(monotonicMillis, (now) => now + Duration.toMillis(duration) < until)
    )
  )

/** How long it said to wait, if it is one of those that waiting mends. */
const refusedFor = (failure: InferenceFailure): number | undefined =>
  failure._tag === "Overloaded" || failure._tag === "NoBackendAvailable" ? failure.retryAfterMillis : undefined
