import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { InferenceFailure } from "../domain/Failure.ts"
import type { RunFailure } from "./BackendFailed.ts"
import { Backends } from "./Backends.ts"
import type { Suits } from "./LaneChoice.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf } from "./MonotonicClock.ts"
import { RetryBudget } from "./RetryBudget.ts"
import { attribute, eventName } from "./telemetry/Names.ts"
import { told } from "./telemetry/Tracing.ts"

/** A backend that failed a request, and when, in monotonic milliseconds. */
interface FailedBefore {
  readonly backend: string
  readonly at: number
}

/** Who fails a request may be well again this much later. */
const forgottenMillis = 5000

/** How often a request goes to one backend, retries there not counted. */
const timesAtMost = 2

/**
 * Which backends a request doesn't go to any more, for now: those that failed it a moment ago, and those that failed it
 * twice. One that failed it before it stood in line for another is asked again, when there is nothing better: meanwhile it
 * may have come back, and the others gone.
 */
const exhausted = (failed: ReadonlyArray<FailedBefore>, now: number): ReadonlySet<string> =>
  new Set(
    failed
      .filter(
        ({ at, backend }) =>
          now - at < forgottenMillis || failed.filter((other) => other.backend === backend).length >= timesAtMost
      )
      .map(({ backend }) => backend)
  )

/**
 * Backend after backend of those that suit, until one answers or none is left that would do. A backend that is asked for
 * the first time gets no more than was asked for; a second time is a retry, and out of its budget.
 */
export const makeFailOver = Effect.gen(function* () {
  const budget = yield* RetryBudget
  const { lanes } = yield* Backends
  const metrics = yield* Metrics

  return <A, R>(
    suits: Suits,
    run: (suits: Suits) => Effect.Effect<A, RunFailure, R>
  ): Effect.Effect<A, InferenceFailure, R> => {
    const ask = (among: Suits, failed: ReadonlyArray<FailedBefore>): Effect.Effect<A, InferenceFailure, R> =>
      Effect.catchTag(run(among), "BackendFailed", ({ also = [], backend, error }) =>
        Effect.withFiber((fiber) => {
          const clock = fiber.getRef(Clock.Clock)
          const now = () => millisOf(clock)
          const failures = [...failed, ...[backend, ...also].map((name) => ({ backend: name, at: now() }))]
          // Asked again and again, while it waits: who is out of the question now may not be for long.
          const left: Suits = (lane) => (exhausted(failures, now()).has(lane.backend.name) ? undefined : suits(lane))
          const final = error._tag === "BackendError" && error.remedy === "give up"
          const others = lanes().filter((lane) => left(lane) !== undefined)
          if (final || others.length === 0) return Effect.fail(error)
          const fresh = others.some((lane) => !failures.some((failure) => failure.backend === lane.backend.name))
          return Effect.flatMap(fresh ? Effect.succeed(true) : budget.withdraw, (granted) => {
            if (!granted) return Effect.fail(error)
            metrics.fallback(backend)
            const next = Effect.catchTag(ask(left, failures), "NoBackendAvailable", () => Effect.fail(error))
            return told(next, eventName.fallback, { [attribute.backend]: backend })
          })
        })
      )
    return ask(suits, [])
  }
})
