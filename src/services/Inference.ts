import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Answer, Completion } from "../domain/Completion.ts"
import { decodeEvent, type InferenceEvent } from "../domain/Event.ts"
import type { CutShort, InferenceFailure } from "../domain/Failure.ts"
import type { AnswerPart, GenerationRequest } from "../domain/Generation.ts"
import { makeAttempts } from "./Attempts.ts"
import { Breaker } from "./Breaker.ts"
import { Deadline, deadlineOf, withDeadline } from "./Deadline.ts"
import { type Ending, either, endedBy } from "./Ending.ts"
import { Ids } from "./Ids.ts"
import { InferenceBackend } from "./InferenceBackend.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf, monotonicMillis } from "./MonotonicClock.ts"
import { Settings } from "./Settings.ts"
import { makeTimer } from "./Timer.ts"
import { Slot, WaitingLine } from "./WaitingLine.ts"

/** What a caller may ask for beside the event. */
export interface EventOptions {
  /** A time budget shorter than the service's own. */
  readonly timeout?: Duration.Input
  /** When the request began, in monotonic milliseconds, if it began before this call: the budget counts from there. */
  readonly startedAt?: number
  /** What else may cut it short, and with which error. */
  readonly ending?: Ending<CutShort>
}

/**
 * The one typed program behind HTTP, CLI and library: what is asked for goes in, an answer or one of `InferenceFailure`
 * comes out. Interrupting it aborts the generation at the backend, in whatever phase it is.
 *
 * A stream fails before its first part as a whole answer would, and later only when it breaks off: there are no retries
 * once somebody has read a token. Whoever stops reading it aborts the generation.
 */
export class Inference extends Context.Service<
  Inference,
  {
    /** An event as it was sent. */
    readonly onEvent: (event: unknown, options?: EventOptions) => Effect.Effect<Completion, InferenceFailure>
    readonly streamEvent: (event: unknown, options?: EventOptions) => Stream.Stream<AnswerPart, InferenceFailure>
    /** What a client of another protocol asks for. */
    readonly complete: (request: GenerationRequest, options?: EventOptions) => Effect.Effect<Answer, InferenceFailure>
    readonly stream: (request: GenerationRequest, options?: EventOptions) => Stream.Stream<AnswerPart, InferenceFailure>
  }
>()("ai-ticket/services/Inference") {
  static readonly layer = Layer.effect(
    Inference,
    Effect.gen(function* () {
      const { logContent, requestTimeoutSeconds } = yield* Settings
      const backend = yield* InferenceBackend
      const breaker = yield* Breaker
      const line = yield* WaitingLine
      const metrics = yield* Metrics
      const ids = yield* Ids
      const attempts = yield* makeAttempts
      const timer = yield* makeTimer
      const longest = Duration.seconds(requestTimeoutSeconds)

      const budgetOf = ({ startedAt, timeout }: EventOptions) => ({
        timer,
        budget: timeout === undefined ? longest : Duration.min(Duration.fromInputUnsafe(timeout), longest),
        startedAt
      })

      /** Nobody queues for a backend that is known to be down. Whoever needn't queue is told by the guard. */
      const mayQueue = Effect.suspend(() => (line.busy() ? breaker.check : Effect.void))

      const answer = (request: GenerationRequest) =>
        Effect.withFiber<Answer, InferenceFailure>((fiber) => {
          const clock = fiber.getRef(Clock.Clock)
          const start = millisOf(clock)
          return Effect.andThen(mayQueue, line.withSlot(breaker.guard(attempts.whole(request)))).pipe(
            Effect.map(({ endpoint, generation }) => {
              metrics.firstToken(backend.name, millisOf(clock) - start)
              if (generation.usage !== undefined) {
                metrics.tokens(backend.name, generation.usage)
                metrics.delivered(backend.name, generation.usage.completionTokens)
              }
              return { ...generation, backend: backend.name, endpoint }
            })
          )
        })

      const complete = (request: GenerationRequest, options: EventOptions = {}) =>
        withDeadline(budgetOf(options), options.ending)(answer(request))

      /** Line, retries and fallbacks, until the first text is there; the slot is kept until the scope closes. */
      const begin = Effect.fnUntraced(function* (request: GenerationRequest, ending: Ending<CutShort>) {
        const start = yield* monotonicMillis
        yield* mayQueue
        const slot = yield* line.enter
        const begun = yield* breaker.guard(attempts.streamed(request, ending)).pipe(Effect.provideService(Slot, slot))
        metrics.firstToken(backend.name, (yield* monotonicMillis) - start)
        return begun
      })

      const stream = (request: GenerationRequest, options: EventOptions = {}) =>
        Stream.unwrap(
          Effect.withFiber((fiber) => {
            const { at, exceeded } = deadlineOf(fiber, budgetOf(options))
            const ending = options.ending === undefined ? exceeded : either(exceeded, options.ending)
            return begin(request, ending).pipe(
              Effect.provideService(Deadline, at),
              endedBy(ending),
              Effect.map(({ endpoint, model, parts }) =>
                Stream.concat(
                  Stream.succeed<AnswerPart>({
                    ...{ _tag: "Start", backend: backend.name, endpoint },
                    ...(model === undefined ? {} : { model })
                  }),
                  Stream.fromPull(Effect.succeed(parts))
                )
              )
            )
          })
        )

      const logged = (event: InferenceEvent, completion: Completion) =>
        Effect.logInfo("inference").pipe(Effect.annotateLogs({ prompt: event.prompt, completion: completion.text }))

      return Inference.of({
        complete,
        stream,
        onEvent: (input, options) =>
          Effect.suspend(() => {
            const decoded = decodeEvent(input)
            if (Result.isFailure(decoded)) return Effect.fail(decoded.failure)
            const event = decoded.success
            return Effect.flatMap(complete(requestOf(event), options), (answer) => {
              const completion = { ...answer, text: answer.text.trim(), id: event.id ?? ids.next() }
              return logContent ? Effect.as(logged(event, completion), completion) : Effect.succeed(completion)
            })
          }),
        streamEvent: (input, options) =>
          Stream.unwrap(Effect.map(Effect.fromResult(decodeEvent(input)), (event) => stream(requestOf(event), options)))
      })
    })
  )
}

const requestOf = ({ parameters, prompt }: InferenceEvent): GenerationRequest => ({
  _tag: "Prompt",
  prompt,
  parameters
})
