import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { BackendError } from "../../domain/BackendError.ts"
import { NoBackendAvailable, Overloaded } from "../../domain/Failure.ts"
import type { JsonObject } from "../../domain/Prompt.ts"
import { Backends } from "../../services/Backends.ts"
import { type NativeFacts, type NativeQuestion, nativeQuestions } from "../../services/InferenceBackend.ts"
import { withMonotonicTime } from "../../services/MonotonicClock.ts"

/** How long an answer is good for: clients poll, and KoboldCpp hangs at 24 connections. */
const freshMillis = 1000

/** Texts that are counted or wait for it, each as large as a body may be. */
const mostCounts = 64

type NoFact = BackendError | NoBackendAvailable

/** What the backends that are KoboldCpps say of themselves and of texts, for any number of clients who ask. */
export class BackendFacts extends Context.Service<
  BackendFacts,
  {
    readonly ask: (question: NativeQuestion) => Effect.Effect<JsonObject, NoFact>
    readonly countTokens: (fields: JsonObject) => Effect.Effect<JsonObject, NoFact | Overloaded>
  }
>()("ai-ticket/http/kobold/BackendFacts") {
  static readonly layer = Layer.effect(
    BackendFacts,
    Effect.gen(function* () {
      const { lanes } = yield* Backends
      let counts = 0

      /** Those that can be asked, as they are now: another configuration may bring others. */
      const asked = (choose: (told: ReadonlyArray<Ask>) => Ask, ask: (facts: NativeFacts) => Ask) =>
        Effect.mapError(
          Effect.suspend(() =>
            choose(lanes().flatMap(({ backend: { native } }) => (native === undefined ? [] : [ask(native)])))
          ),
          asUnavailable
        )

      const answers = new Map<NativeQuestion, Effect.Effect<JsonObject, NoFact>>()
      for (const question of nativeQuestions) {
        const answer = asked(lengths.has(question) ? leastOf : firstOf, ({ info }) => info(question))
        answers.set(question, withMonotonicTime(yield* Effect.cachedWithTTL(answer, freshMillis)))
      }

      return BackendFacts.of({
        ask: (question) => answers.get(question) ?? Effect.fail(noneToAsk),
        countTokens: (fields) =>
          Effect.suspend((): Effect.Effect<JsonObject, NoFact | Overloaded> => {
            if (counts >= mostCounts) return Effect.fail(new Overloaded({ retryAfterMillis: freshMillis }))
            counts += 1
            return Effect.ensuring(
              asked(firstOf, ({ countTokens }) => countTokens(fields)),
              Effect.sync(() => {
                counts -= 1
              })
            )
          })
      })
    })
  )
}

type Ask = Effect.Effect<JsonObject, BackendError>

const noneToAsk = new BackendError({
  ...{ code: "api_client_error", backend: "none", endpoint: "info", remedy: "give up" },
  reason: "no backend is a KoboldCpp"
})

/** Backend after backend, until one knows; else why the first doesn't. */
const firstOf = ([first = Effect.fail(noneToAsk), ...others]: ReadonlyArray<Ask>): Ask =>
  others.reduce((before, next) => Effect.catch(before, (error) => Effect.mapError(next, () => error)), first)

/** Of which the least of all backends is true, whichever gets the prompt in the end. */
const lengths: ReadonlySet<NativeQuestion> = new Set(["trueContextLength", "contextLength", "answerLength"])

const leastOf = (asks: ReadonlyArray<Ask>): Ask =>
  Effect.flatMap(Effect.forEach(asks, Effect.result, { concurrency: "unbounded" }), ([first, ...others]) =>
    first === undefined ? Effect.fail(noneToAsk) : Effect.fromResult(others.reduce(smaller, first))
  )

type Told = Result.Result<JsonObject, BackendError>

const smaller = (one: Told, other: Told): Told => {
  if (Result.isFailure(other)) return one
  return Result.isFailure(one) || Number(other.success["value"]) < Number(one.success["value"]) ? other : one
}

const down: ReadonlySet<string> = new Set(["api_connection_error", "api_server_error", "api_rate_limited"])

/** Whoever asks after a backend that doesn't answer is told that it is down, not how an attempt failed. */
const asUnavailable = (error: BackendError): NoFact =>
  down.has(error.code) ? new NoBackendAvailable({ retryAfterMillis: freshMillis }) : error
