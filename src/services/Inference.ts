import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { BackendError } from "../domain/BackendError.ts"
import type { Completion, Generation } from "../domain/Completion.ts"
import { decodeEvent, type InferenceEvent } from "../domain/Event.ts"
import type { InferenceFailure } from "../domain/Failure.ts"
import { Breaker } from "./Breaker.ts"
import { CurrentRequest } from "./CurrentRequest.ts"
import { withDeadline } from "./Deadline.ts"
import { firstAnswer } from "./FallbackPlan.ts"
import { type Endpoint, InferenceBackend } from "./InferenceBackend.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf, monotonicMillis } from "./MonotonicClock.ts"
import { RetryBudget } from "./RetryBudget.ts"
import { type Allowance, makeAllowance, retrying } from "./RetryPolicy.ts"
import { Settings } from "./Settings.ts"
import { type Slot, WaitingLine } from "./WaitingLine.ts"

/** What a caller may ask for beside the event. */
export interface EventOptions {
  /** A time budget shorter than the service's own. */
  readonly timeout?: Duration.Input
  /** When the request began, in monotonic milliseconds, if it began before this call: the budget counts from there. */
  readonly startedAt?: number
}

/**
 * The one typed program behind HTTP, CLI and library: an event as it was sent goes in, a completion or one of
 * `InferenceFailure` comes out. Interrupting it aborts the generation at the backend, in whatever phase it is.
 */
export class Inference extends Context.Service<
  Inference,
  {
    readonly onEvent: (event: unknown, options?: EventOptions) => Effect.Effect<Completion, InferenceFailure>
  }
>()("ai-ticket/services/Inference") {
  static readonly layer = Layer.effect(
    Inference,
    Effect.gen(function* () {
      const { logContent, requestTimeoutSeconds } = yield* Settings
      const backend = yield* InferenceBackend
      const breaker = yield* Breaker
      const budget = yield* RetryBudget
      const line = yield* WaitingLine
      const metrics = yield* Metrics
      const random = yield* SecureRandom.SecureRandom
      const longest = Duration.seconds(requestTimeoutSeconds)

      /** One attempt, counted however it ends. */
      const attempt = (endpoint: Endpoint, event: InferenceEvent) =>
        Effect.withFiber<Generation, BackendError, Slot>((fiber) => {
          const clock = fiber.getRef(Clock.Clock)
          const request = fiber.getRef(CurrentRequest)
          const start = millisOf(clock)
          return Effect.onExit(endpoint.attempt(event), (exit) =>
            Effect.sync(() => {
              const millis = millisOf(clock) - start
              if (request !== undefined) request.backendMillis += millis
              metrics.attempt({ backend: backend.name, endpoint: endpoint.name, outcome: outcomeOf(exit), millis })
            })
          )
        })

      /** Retries at one endpoint. */
      const persist = (endpoint: Endpoint, event: InferenceEvent, allowance: Allowance) => {
        const again = Effect.suspend(() => {
          metrics.retry(backend.name, endpoint.name)
          return attempt(endpoint, event)
        })
        return retrying(attempt(endpoint, event), again, allowance)
      }

      /** Endpoint after endpoint of the backend. */
      const generate = Effect.fnUntraced(function* (event: InferenceEvent) {
        yield* budget.deposit
        const allowance = makeAllowance(budget)
        return yield* firstAnswer(
          backend.endpoints,
          (endpoint) =>
            Effect.map(persist(endpoint, event, allowance), (generation) => ({ generation, endpoint: endpoint.name })),
          allowance,
          Effect.sync(() => metrics.fallback(backend.name))
        )
      })

      const answer = Effect.fnUntraced(function* (event: InferenceEvent) {
        const start = yield* monotonicMillis
        yield* breaker.check
        const { endpoint, generation } = yield* line.withSlot(breaker.guard(generate(event)))
        metrics.firstToken(backend.name, (yield* monotonicMillis) - start)
        if (generation.usage !== undefined) metrics.tokens(backend.name, generation.usage)
        return {
          ...generation,
          text: generation.text.trim(),
          id: event.id ?? (yield* random.uuidV4()),
          backend: backend.name,
          endpoint
        } satisfies Completion
      })

      const logged = (event: InferenceEvent, completion: Completion) =>
        logContent
          ? Effect.logInfo("inference").pipe(Effect.annotateLogs({ prompt: event.prompt, completion: completion.text }))
          : Effect.void

      return Inference.of({
        onEvent: Effect.fnUntraced(function* (input: unknown, options: EventOptions = {}) {
          const event = yield* Effect.fromResult(decodeEvent(input))
          const asked = options.timeout === undefined ? longest : Duration.fromInputUnsafe(options.timeout)
          return yield* answer(event).pipe(
            withDeadline(Duration.min(asked, longest), options.startedAt),
            Effect.tap((completion) => logged(event, completion))
          )
        })
      })
    })
  )
}

const outcomeOf = (exit: Exit.Exit<Generation, BackendError>) => {
  if (Exit.isSuccess(exit)) return "success"
  const failure = Exit.findErrorOption(exit)
  return failure._tag === "Some" ? failure.value.code : Exit.hasInterrupts(exit) ? "aborted" : "internal_error"
}
