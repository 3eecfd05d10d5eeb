import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Breaker, layerBreakers, makeBreaker } from "./Breaker.ts"
import type { InferenceBackend } from "./InferenceBackend.ts"
import { Metrics } from "./Metrics.ts"

/** A backend in use, and how it may be used. */
export interface Lane {
  readonly backend: InferenceBackend
  readonly breaker: Breaker
  /** Requests at once. */
  readonly slots: number
  /** Lower ones first: a backend of a later tier is used only while none of the earlier tiers is up. */
  readonly tier: number
  /** How much of a tier's work it is fit for, beside the others of the tier. */
  readonly weight: number
}

/** What a lane is made of. */
export interface LaneOptions {
  readonly backend: InferenceBackend
  readonly slots: number
  readonly tier?: number
  readonly weight?: number
}

/** The backends in use. */
export class Backends extends Context.Service<
  Backends,
  {
    /** At least one. */
    readonly lanes: readonly [Lane, ...ReadonlyArray<Lane>]
    /** Ticks when one may have become available, or have ceased to be. */
    readonly changes: Stream.Stream<void>
  }
>()("ai-ticket/services/Backends") {
  /** Those backends, each behind a breaker of its own. */
  static readonly layer = <E, R>(
    backends: Effect.Effect<readonly [LaneOptions, ...ReadonlyArray<LaneOptions>], E, R>
  ): Layer.Layer<Backends, E, Exclude<Exclude<R, Scope.Scope>, CircuitBreaker.CircuitBreaker> | Metrics> =>
    Layer.effect(
      Backends,
      Effect.gen(function* () {
        const metrics = yield* Metrics
        const open = Effect.fnUntraced(function* ({ backend, slots, tier = 1, weight = 1 }: LaneOptions) {
          metrics.announce(
            backend.name,
            backend.endpoints.map(({ name }) => name)
          )
          return { backend, slots, tier, weight, breaker: yield* makeBreaker(backend.name) } satisfies Lane
        })
        const [first, ...rest] = yield* backends
        const lanes = [yield* open(first), ...(yield* Effect.forEach(rest, open))] as const
        const turns = lanes.map(({ breaker }) => breaker.turns)
        return { lanes, changes: Stream.mergeAll(turns, { concurrency: "unbounded" }) }
      })
    ).pipe(Layer.provide(layerBreakers))
}
