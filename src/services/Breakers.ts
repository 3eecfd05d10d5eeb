import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Schedule from "effect/Schedule"
import { withMonotonicTime } from "./MonotonicClock.ts"

/** How many requests a breaker looks back on. */
export const lookBack = 20

/**
 * What opens a breaker: that half of the requests it looks back on failed, retries and fallbacks included, once there were
 * ten. Ten failures in a row always are such a half.
 */
const failures = CircuitBreaker.rate({ threshold: 0.5, size: lookBack, minimumCalls: 10 })

/** What also opens it: silence, of a probe or of a request, as the third failure in a row. Silence costs too much time. */
const silences = CircuitBreaker.consecutive(3)

/** How long it stays open, unless the backend asks for more: longer each time. */
const openDuration = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")])

/**
 * Effect's breakers over one store: what one of them opens the other finds open. Each has the policy for what it hears of,
 * and a streak is one of whatever either heard.
 */
export class Breakers extends Context.Service<
  Breakers,
  { readonly failures: CircuitBreaker.CircuitBreaker; readonly silences: CircuitBreaker.CircuitBreaker }
>()("ai-ticket/services/Breakers") {
  static readonly layer = Layer.suspend(() =>
    Layer.effect(
      Breakers,
      Effect.all({
        failures: CircuitBreaker.make({ tripPolicy: failures, openDuration }),
        silences: CircuitBreaker.make({ tripPolicy: silences, openDuration })
      })
    ).pipe(Layer.provide(store))
  )
}

/** A time of day that is set back must not keep a breaker open. */
const store = Layer.effect(
  CircuitBreaker.CircuitBreakerStore,
  Effect.map(CircuitBreaker.CircuitBreakerStore, ({ admit, record, state }) => ({
    admit: (key) => withMonotonicTime(admit(key)),
    record: (outcome) => withMonotonicTime(record(outcome.outcome === "Success" ? harmless(outcome) : outcome)),
    state: (key) => withMonotonicTime(state(key))
  }))
).pipe(Layer.provide(CircuitBreaker.layerStoreMemory()))

/** An answer counts, but is no reason to open: it may be the first after the trouble. */
const harmless = <O extends { readonly tripPolicy: CircuitBreaker.TripPolicy }>(outcome: O): O =>
  outcome.tripPolicy._tag === "Rate"
    ? { ...outcome, tripPolicy: { ...outcome.tripPolicy, threshold: Number.POSITIVE_INFINITY } }
    : outcome
