import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { BackendError } from "../domain/BackendError.ts"
import { NoBackendAvailable } from "../domain/Failure.ts"
import { type BreakerState, Metrics } from "./Metrics.ts"
import { withMonotonicTime } from "./MonotonicClock.ts"

/** A time of day that is set back must not keep a breaker open. */
const monotonicStore = Layer.effect(
  CircuitBreaker.CircuitBreakerStore,
  Effect.map(CircuitBreaker.CircuitBreakerStore, ({ admit, record, state }) => ({
    admit: (key) => withMonotonicTime(admit(key)),
    record: (outcome) => withMonotonicTime(record(outcome)),
    state: (key) => withMonotonicTime(state(key))
  }))
).pipe(Layer.provide(CircuitBreaker.layerStoreMemory()))

/** Requests in a row that must fail at a backend, retries and fallbacks included, before it counts as down. */
const failuresToOpen = 10

/** Effect's breakers, one for each key, with the policy that all backends share. */
export const layerBreakers = CircuitBreaker.layer({
  tripPolicy: CircuitBreaker.consecutive(failuresToOpen),
  openDuration: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")])
}).pipe(Layer.provide(monotonicStore))

/**
 * The breaker in front of a backend. While it is open a request is told so at once, instead of standing in line for a
 * backend that is down; after 1 to 30 seconds one request is let through to see.
 *
 * Only what tells of the backend's health counts: a refused request or an odd answer does not.
 */
export interface Breaker {
  readonly guard: <A, R>(
    self: Effect.Effect<A, BackendError, R>
  ) => Effect.Effect<A, BackendError | NoBackendAvailable, R>
  readonly state: Effect.Effect<BreakerState>
  /** Fails while nothing would be let through: for asking before standing in line. */
  readonly check: Effect.Effect<void, NoBackendAvailable>
  /** Ticks whenever it turns. */
  readonly turns: Stream.Stream<void>
}

/** The breaker of one backend, for as long as the scope is open. */
export const makeBreaker = Effect.fnUntraced(function* (key: string) {
  const breaker = yield* CircuitBreaker.CircuitBreaker
  const metrics = yield* Metrics
  const transitions = Stream.filter(breaker.transitions, (transition) => transition.key === key)

  yield* transitions.pipe(
    Stream.runForEach(({ to }) => Effect.logWarning(`Backend ${key}: the breaker is ${states[to]}`)),
    Effect.forkScoped({ startImmediately: true })
  )

  const stored = Effect.orDie(breaker.state(key))
  // Its time over, an open breaker is waiting for the one request that will show: it must not be kept away.
  const state = Effect.map(stored, (now) =>
    now._tag === "Open" && Duration.isZero(now.retryAfter) ? "half_open" : states[now._tag]
  )
  metrics.readBreaker(key, state)

  const check = Effect.flatMap(stored, (now) =>
    now._tag === "Open" && !Duration.isZero(now.retryAfter) ? Effect.fail(unavailable(now.retryAfter)) : Effect.void
  )
  const guard: Breaker["guard"] = (self) =>
    breaker
      .execute(self, { key, classify: judge })
      .pipe(
        Effect.catchTag("CircuitBreakerError", ({ reason }) =>
          Effect.fail(unavailable(reason._tag === "CircuitOpen" ? reason.retryAfter : Duration.seconds(1)))
        )
      )
  return { state, check, guard, turns: Stream.map(transitions, () => undefined) } satisfies Breaker
})

const judge = (exit: Exit.Exit<unknown, BackendError>): CircuitBreaker.Outcome => {
  if (Exit.isSuccess(exit)) return CircuitBreaker.success
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  const unwell = error?.code === "api_connection_error" || error?.code === "api_server_error"
  if (!unwell) return CircuitBreaker.ignored
  return CircuitBreaker.failure(error.retryAfterMillis === undefined ? {} : { retryAfter: error.retryAfterMillis })
}

const states = { Closed: "closed", HalfOpen: "half_open", Open: "open" } as const

const unavailable = (retryAfter: Duration.Duration) =>
  new NoBackendAvailable({ retryAfterMillis: Duration.toMillis(retryAfter) })
