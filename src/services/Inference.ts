import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { BackendError } from "../domain/BackendError.ts"
import type { Answer, Completion } from "../domain/Completion.ts"
import type { HedgeRule } from "../domain/Configuration.ts"
import { decodeEvent, type InferenceEvent } from "../domain/Event.ts"
import type { CutShort, InferenceFailure } from "../domain/Failure.ts"
import type { AnswerPart, GenerationRequest } from "../domain/Generation.ts"
import { makeAttempts } from "./Attempts.ts"
import { failing } from "./BackendFailed.ts"
import { Backends, type Lane } from "./Backends.ts"
import { contentLog } from "./ContentLog.ts"
import { CurrentRequest } from "./CurrentRequest.ts"
import { Deadline, deadlineOf, withDeadline } from "./Deadline.ts"
import { AlsoTold, alsoTelling, type Ending, either, endedBy } from "./Ending.ts"
import { makeFailOver } from "./FailOver.ts"
import { makeHedging } from "./Hedge.ts"
import { Ids } from "./Ids.ts"
import type { Parts } from "./InferenceBackend.ts"
import type { Suits } from "./LaneChoice.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf, monotonicMillis } from "./MonotonicClock.ts"
import { RetryBudget } from "./RetryBudget.ts"
import { scopedUnlessBegun } from "./ScopedUnlessBegun.ts"
import { Settings } from "./Settings.ts"
import { type CacheControl, isShared, makeSharing } from "./Sharing.ts"
import { startingWith } from "./StartingWith.ts"
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
  /** What it says of answers that aren't its own, where its route has them. */
  readonly cacheControl?: CacheControl
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
      const { logContent, queueLimit, requestTimeoutSeconds } = yield* Settings
      const budget = yield* RetryBudget
      const { lanes, routeFor, tierFor } = yield* Backends
      const line = yield* WaitingLine
      const metrics = yield* Metrics
      const ids = yield* Ids
      const attempts = yield* makeAttempts
      const failOver = yield* makeFailOver
      const timer = yield* makeTimer
      const longestMillis = requestTimeoutSeconds * 1000
      const hedging = yield* makeHedging
      const sharing = yield* makeSharing({
        ...{ longestMillis, mostJoined: queueLimit },
        told: metrics.shared
      })

      const budgetOf = ({ startedAt, timeout }: EventOptions) => ({
        timer,
        budget:
          timeout === undefined
            ? longestMillis
            : Math.min(Duration.toMillis(Duration.fromInputUnsafe(timeout)), longestMillis),
        startedAt
      })

      /**
       * Where a request may go: to backends that can say what it asks for, by the routes of its model. Looked up each
       * time, since they may change while it waits.
       */
      const suitsFor =
        (request: GenerationRequest): Suits =>
        (lane) =>
          canServe(lane, request) ? tierFor(modelOf(request))(lane) : undefined

      const generate = (fiber: Fiber.Fiber<unknown, unknown>, request: GenerationRequest, hedge?: HedgeRule) => {
        const clock = fiber.getRef(Clock.Clock)
        const start = millisOf(clock)
        budget.deposit(start)
        const ask = (lane: Lane) => {
          const { backend } = lane
          return failing(lane, attempts.whole(backend, request), lanes().length > 1).pipe(
            Effect.map(({ endpoint, generation }): Answer => {
              metrics.firstToken(backend.name, millisOf(clock) - start, endpoint)
              if (generation.usage !== undefined) {
                metrics.tokens(backend.name, generation.usage, endpoint)
                metrics.delivered(backend.name, generation.usage.completionTokens)
              }
              return { ...generation, backend: backend.name, endpoint }
            })
          )
        }
        return failOver(suitsFor(request), (suits) =>
          hedge === undefined ? line.withSlot(suits, ask) : hedging(hedge, suits, ask)
        )
      }

      const answer = (request: GenerationRequest, { cacheControl }: EventOptions) =>
        Effect.withFiber<Answer, InferenceFailure>((fiber) => {
          const route = routeFor(modelOf(request))
          const answer =
            route === undefined || !isShared(route)
              ? generate(fiber, request, route?.hedge)
              : sharing(route, {
                  ...{ request, cacheControl },
                  run: Effect.withFiber((fiber) => generate(fiber, request, route.hedge))
                })
          const record = fiber.getRef(CurrentRequest)
          if (record === undefined) return answer
          return Effect.map(answer, (answer) => {
            record.answeredBy(answer.backend)
            return answer
          })
        })

      const complete = (request: GenerationRequest, options: EventOptions = {}) => {
        const budgeted = withDeadline(budgetOf(options), options.ending)(answer(request, options))
        return logContent ? contentLog.whole(request, budgeted) : budgeted
      }

      /** Line, retries and fallbacks, until the first text is there; the slot is kept until the scope closes. */
      const begin = Effect.fnUntraced(function* (request: GenerationRequest, ending: Ending<CutShort>) {
        const start = yield* monotonicMillis
        budget.deposit(start)
        const begun = yield* failOver(suitsFor(request), (suits) =>
          scopedUnlessBegun(
            Effect.gen(function* () {
              const { lane, slot } = yield* line.enter(suits)
              const { backend } = lane
              const streamed = attempts.streamed(backend, request, ending)
              const begun = yield* Effect.provideService(failing(lane, streamed, lanes().length > 1), Slot, slot)
              return { ...begun, backend: backend.name, parts: livelyParts(lane, begun.parts) }
            })
          )
        )
        metrics.firstToken(begun.backend, (yield* monotonicMillis) - start, begun.endpoint)
        const record = yield* CurrentRequest
        record?.answeredBy(begun.backend)
        return begun
      })

      const quietStream = (request: GenerationRequest, options: EventOptions) =>
        Stream.unwrap(
          Effect.withFiber((fiber) => {
            const { at, exceeded } = deadlineOf(fiber, budgetOf(options))
            const ending = alsoTelling(fiber.getRef(AlsoTold))(
              options.ending === undefined ? exceeded : either(exceeded, options.ending)
            )
            return begin(request, ending).pipe(
              Effect.provideService(Deadline, at),
              endedBy(ending),
              Effect.map(({ backend, endpoint, model, parts }) => {
                const start: AnswerPart = {
                  ...{ _tag: "Start", backend, endpoint },
                  ...(model === undefined ? {} : { model })
                }
                return Stream.fromPull(
                  Effect.succeed(startingWith<AnswerParts, BackendError | CutShort>([start], parts))
                )
              })
            )
          })
        )

      const stream = (request: GenerationRequest, options: EventOptions = {}) => {
        const parts = quietStream(request, options)
        return logContent ? contentLog.streamed(request, parts) : parts
      }

      return Inference.of({
        complete,
        stream,
        onEvent: (input, options) =>
          Effect.suspend(() => {
            const decoded = decodeEvent(input)
            if (Result.isFailure(decoded)) return Effect.fail(decoded.failure)
            const event = decoded.success
            return Effect.map(complete(requestOf(event), options), (answer) => ({
              ...answer,
              text: answer.text.trim(),
              id: event.id ?? ids.next()
            }))
          }),
        streamEvent: (input, options) =>
          Stream.unwrap(Effect.map(Effect.fromResult(decodeEvent(input)), (event) => stream(requestOf(event), options)))
      })
    })
  )
}

const modelOf = (request: GenerationRequest): string | undefined => {
  const model = request._tag === "Prompt" ? request.parameters.model : request.fields["model"]
  return typeof model === "string" ? model : undefined
}

const canServe = ({ backend }: Lane, request: GenerationRequest): boolean =>
  backend.endpoints.some((endpoint) => endpoint.serves(request))

/** Every part is a sign of life. */
const livelyParts = <E>({ health }: Lane, parts: Pull.Pull<Parts, E>): Pull.Pull<Parts, E> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    return Effect.map(parts, (some) => {
      health.good(millisOf(clock))
      return some
    })
  })

const requestOf = ({ parameters, prompt }: InferenceEvent): GenerationRequest => ({
  _tag: "Prompt",
  prompt,
  parameters
})

type AnswerParts = readonly [AnswerPart, ...ReadonlyArray<AnswerPart>]
