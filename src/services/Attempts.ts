import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { BackendError } from "../domain/BackendError.ts"
import type { CutShort } from "../domain/Failure.ts"
import type { Generation, GenerationRequest, Usage } from "../domain/Generation.ts"
import { CurrentRequest } from "./CurrentRequest.ts"
import type { Ending } from "./Ending.ts"
import { firstAnswer } from "./FallbackPlan.ts"
import type { Begun, Endpoint, InferenceBackend, Parts } from "./InferenceBackend.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf } from "./MonotonicClock.ts"
import type { AttemptOutcome } from "./Recorder.ts"
import { RetryBudget } from "./RetryBudget.ts"
import { type Allowance, makeAllowance, retrying } from "./RetryPolicy.ts"
import { endAttempt, makeAttemptSpans } from "./telemetry/AttemptSpan.ts"
import { attribute, eventName } from "./telemetry/Names.ts"
import { CurrentSpan, type Span, spanIn, told } from "./telemetry/Tracing.ts"
import type { Slot } from "./WaitingLine.ts"

/** Retries at an endpoint and fallback to the next one, for answers that come whole and for streams, each attempt counted. */
export const makeAttempts = Effect.gen(function* () {
  const budget = yield* RetryBudget
  const metrics = yield* Metrics
  const attemptSpan = makeAttemptSpans()

  /** Notes an attempt that begins now, to be told how it ended; its request may be told of the time so far. */
  const watch = (fiber: Fiber.Fiber<unknown, unknown>, backend: InferenceBackend, endpoint: Endpoint) => {
    const clock = fiber.getRef(Clock.Clock)
    const request = fiber.getRef(CurrentRequest)
    const start = millisOf(clock)
    let told = 0
    const tell = () => {
      const millis = millisOf(clock) - start
      if (request !== undefined) request.backendMillis += millis - told
      told = millis
      return millis
    }
    const ended = (outcome: AttemptOutcome) =>
      metrics.attempt({ backend: backend.name, endpoint: endpoint.name, outcome, millis: tell() })
    return { ended, tell }
  }

  const attempt = (backend: InferenceBackend, endpoint: Endpoint, request: GenerationRequest) =>
    Effect.withFiber<Generation, BackendError, Slot>((fiber) => {
      const { ended } = watch(fiber, backend, endpoint)
      const span = attemptSpan(spanIn(fiber.context), backend, endpoint.name, request, false)
      return Effect.onExit(within(span, endpoint.attempt(request)), (exit) => {
        const outcome = outcomeOf(exit)
        ended(outcome)
        endAttempt(span, failureOf(outcome), Exit.isSuccess(exit) ? exit.value : undefined)
        return Exit.isSuccess(exit) ? Effect.void : logFailure(backend, endpoint, outcome)
      })
    })

  /** One that succeeds has not ended: it does with the scope. */
  const begin = (backend: InferenceBackend, endpoint: Endpoint, request: GenerationRequest, ending: Ending<CutShort>) =>
    Effect.withFiber<Begun, BackendError, Slot | Scope.Scope>((fiber) => {
      const { ended, tell } = watch(fiber, backend, endpoint)
      const span = attemptSpan(spanIn(fiber.context), backend, endpoint.name, request, true)
      return within(span, endpoint.begin(request, ending)).pipe(
        Effect.onExit((exit) => {
          if (Exit.isSuccess(exit)) return Effect.void
          const outcome = outcomeOf(exit)
          ended(outcome)
          endAttempt(span, failureOf(outcome))
          return logFailure(backend, endpoint, outcome)
        }),
        Effect.flatMap((begun) => {
          // The head of the answer tells it.
          const millis = tell()
          span?.set({ [attribute.timeToFirstChunk]: millis / 1000 })
          const { account, parts } = accountFor(begun.parts, span?.tellsContent === true)
          const settle = Effect.sync(() => {
            ended(account.outcome)
            metrics.delivered(backend.name, account.usage?.completionTokens ?? account.tokens)
            if (account.usage !== undefined) metrics.tokens(backend.name, account.usage, endpoint.name)
            endAttempt(span, failureOf(account.outcome), { ...begun, ...account })
          })
          return Effect.as(
            Effect.addFinalizer(() => settle),
            { ...begun, parts }
          )
        })
      )
    })

  /** Retries at one endpoint. */
  const persist = <A, R>(
    backend: InferenceBackend,
    endpoint: Endpoint,
    run: Effect.Effect<A, BackendError, R>,
    allowance: Allowance
  ) =>
    retrying(
      run,
      Effect.suspend(() => {
        metrics.retry(backend.name, endpoint.name)
        return told(run, eventName.retry, { [attribute.backend]: backend.name, [attribute.endpoint]: endpoint.name })
      }),
      allowance
    )

  /** Endpoint after endpoint of those that can say what is asked for. */
  const overEndpoints = <A, R>(
    backend: InferenceBackend,
    request: GenerationRequest,
    run: (endpoint: Endpoint) => Effect.Effect<A, BackendError, R>
  ) =>
    Effect.suspend((): Effect.Effect<A, BackendError, R> => {
      const [first, ...rest] = backend.endpoints.filter(({ serves }) => serves(request))
      if (first === undefined) return Effect.fail(unserved(backend.name))
      const allowance = makeAllowance(budget)
      return firstAnswer(
        [first, ...rest],
        (endpoint) => persist(backend, endpoint, run(endpoint), allowance),
        allowance,
        told(
          Effect.sync(() => metrics.fallback(backend.name)),
          eventName.fallback,
          { [attribute.backend]: backend.name }
        )
      )
    })

  return {
    whole: (backend: InferenceBackend, request: GenerationRequest) =>
      overEndpoints(backend, request, (endpoint) =>
        Effect.map(attempt(backend, endpoint, request), (generation) => ({ generation, endpoint: endpoint.name }))
      ),
    streamed: (backend: InferenceBackend, request: GenerationRequest, ending: Ending<CutShort>) =>
      overEndpoints(backend, request, (endpoint) =>
        Effect.map(begin(backend, endpoint, request, ending), (begun) => ({ ...begun, endpoint: endpoint.name }))
      )
  }
})

/** Keeps account of a stream while it is read: what its reader got, and how it ended. */
const accountFor = (source: Begun["parts"], keepsText: boolean) => {
  const account: Account = { tokens: 0, outcome: "aborted" }
  const got = (parts: Parts) => {
    for (const part of parts) {
      if (part._tag === "Text") {
        account.tokens += part.tokens
        if (keepsText) account.text = (account.text ?? "") + part.text
      } else {
        account.outcome = "success"
        account.finishReason = part.finishReason
        if (part.usage !== undefined) account.usage = part.usage
      }
    }
    return parts
  }
  const parts = Effect.mapError(Effect.map(source, got), (error) => {
    if (!Cause.isDone(error) && error._tag === "BackendError") account.outcome = error.code
    return error
  })
  return { account, parts }
}

/** For whoever takes a closer look: a failure that a retry mends is in no other line. */
const logFailure = (backend: InferenceBackend, endpoint: Endpoint, outcome: AttemptOutcome) =>
  Effect.logDebug("attempt", { backend: backend.name, endpoint: endpoint.name, outcome })

interface Account {
  tokens: number
  outcome: AttemptOutcome
  usage?: Usage
  finishReason?: string
  /** What its reader got, where it is to be told. */
  text?: string
}

/** What is done for an attempt is part of its span. */
const within = <A, E, R>(span: Span | undefined, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  span === undefined ? self : Effect.provideService(self, CurrentSpan, span)

const failureOf = (outcome: AttemptOutcome): string | undefined => (outcome === "success" ? undefined : outcome)

const outcomeOf = (exit: Exit.Exit<unknown, BackendError>): AttemptOutcome => {
  if (Exit.isSuccess(exit)) return "success"
  const failure = Exit.findErrorOption(exit)
  return failure._tag === "Some" ? failure.value.code : Exit.hasInterrupts(exit) ? "aborted" : "internal_error"
}

const unserved = (backend: string) =>
  new BackendError({
    ...{ code: "api_client_error", backend, endpoint: "none", remedy: "give up" },
    reason: "it has no way to say what is asked for"
  })
