import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { HedgeRule } from "../domain/Configuration.ts"
import type { RunFailure } from "./BackendFailed.ts"
import type { Lane } from "./Backends.ts"
import { CurrentRequest } from "./CurrentRequest.ts"
import type { Refused } from "./Gate.ts"
import type { Suits } from "./LaneChoice.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf } from "./MonotonicClock.ts"
import { RetryBudget } from "./RetryBudget.ts"
import { makeServiceTimes } from "./ServiceTimes.ts"
import { attribute, eventName } from "./telemetry/Names.ts"
import { CurrentSpan, spanIn, told } from "./telemetry/Tracing.ts"
import { type Slot, WaitingLine } from "./WaitingLine.ts"

/** The first to ask, and the second where that takes long. */
export interface Hedge<First, A, E, R, R2> {
  /** Says whom it asks when it has begun to. */
  readonly first: (begun: (whom: First) => void) => Effect.Effect<A, E, R>
  /** How long that one may take, in milliseconds; undefined for as long as it likes. */
  readonly patience: (whom: First) => number | undefined
  readonly second: (first: First) => Effect.Effect<A, unknown, R2>
}

/**
 * The first success counts, and whoever is late is interrupted. A first that fails in time fails, and nobody else is
 * asked; one that fails later may still be saved by the second. A second that fails is as if it had not been asked.
 */
export const hedged = <First, A, E, R, R2>({ first, patience, second }: Hedge<First, A, E, R, R2>) =>
  Effect.suspend((): Effect.Effect<A, E, R | R2> => {
    const begun = Deferred.makeUnsafe<First>()
    const failed = Deferred.makeUnsafe<never, E>()
    const firstFails = Deferred.await(failed)
    const asked = Effect.onError(
      first((whom) => Deferred.doneUnsafe(begun, Exit.succeed(whom))),
      (cause) => Deferred.failCause(failed, cause)
    )
    const late = Effect.flatMap(Effect.raceFirst(Deferred.await(begun), firstFails), (whom) => {
      const millis = patience(whom)
      return millis === undefined
        ? firstFails
        : Effect.timeoutOrElse(firstFails, { duration: millis, orElse: () => Effect.succeed(whom) })
    })
    return Effect.race(
      asked,
      Effect.flatMap(late, (whom) => Effect.catch(second(whom), () => firstFails))
    )
  })

/** Asks a backend by the hedge of its route. */
export type Ask<A> = (lane: Lane) => Effect.Effect<A, RunFailure, Slot>

/**
 * Hedging between backends: the second is another one that suits and has a slot free, paid for out of the budget for
 * retries. Each has its slot by itself, so that the loser's comes back when its abort has been heard.
 */
export const makeHedging = Effect.gen(function* () {
  const budget = yield* RetryBudget
  const line = yield* WaitingLine
  const metrics = yield* Metrics
  const times = makeServiceTimes<Lane>()

  const patienceOf = (rule: HedgeRule, lane: Lane): number | undefined => rule.after_ms ?? times.p95(lane)

  return <A>(rule: HedgeRule, suits: Suits, ask: Ask<A>) =>
    Effect.suspend(() => {
      const also: Array<string> = []

      /** How long backends take is learnt from their answers, and from what was given up for being slow. */
      const learning: Ask<A> = (lane) =>
        Effect.withFiber((fiber) => {
          const now = () => millisOf(fiber.getRef(Clock.Clock))
          const start = now()
          return Effect.onExit(ask(lane), (exit) => {
            const millis = now() - start
            const tooSlow = Exit.hasInterrupts(exit) && millis >= (patienceOf(rule, lane) ?? Number.POSITIVE_INFINITY)
            if (Exit.isSuccess(exit) || tooSlow) times.took(lane, millis)
            return Effect.void
          })
        })

      const second = (first: Lane) =>
        line.withFreeSlot(
          (lane) => (lane === first ? undefined : suits(lane)),
          budget.withdraw,
          (lane) =>
            Effect.onExit(learning(lane), (exit) => {
              const outcome = Exit.isSuccess(exit) ? "won" : "lost"
              metrics.hedge(lane.backend.name, outcome)
              if (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) also.push(lane.backend.name)
              return told(Effect.void, eventName.hedge, {
                [attribute.backend]: lane.backend.name,
                [attribute.hedge]: outcome
              })
            })
        )

      return hedged({
        first: (begun: (lane: Lane) => void) =>
          line.withSlot(suits, (lane) => {
            begun(lane)
            return learning(lane)
          }),
        patience: (lane: Lane) => patienceOf(rule, lane),
        // The first one's time with its backend is the request's: the second's is beside it.
        second: (first: Lane) =>
          Effect.withFiber<A, RunFailure | Refused>((fiber) =>
            second(first).pipe(
              Effect.provideService(CurrentSpan, spanIn(fiber.context)),
              Effect.provideService(CurrentRequest, undefined)
            )
          )
      }).pipe(Effect.mapError((error): RunFailure => (error._tag === "BackendFailed" ? { ...error, also } : error)))
    })
})
