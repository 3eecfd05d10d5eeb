import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Backends, type Lane } from "./Backends.ts"
import type { LineState } from "./Gate.ts"
import type { HealthState } from "./Health.ts"
import type { BackendStatus } from "./InferenceBackend.ts"
import { Lifecycle } from "./Lifecycle.ts"
import { monotonicMillis, withMonotonicTime } from "./MonotonicClock.ts"
import { WaitingLine } from "./WaitingLine.ts"

/** The JSON body of `GET /ready`. */
export interface ReadinessReport {
  readonly ready: boolean
  readonly draining: boolean
  readonly queue: {
    readonly waiting: number
    readonly in_use: number
    /** How long one who came now would wait. */
    readonly expected_wait_seconds: number
  }
  readonly backends: ReadonlyArray<{
    readonly name: string
    readonly state: "up" | "down"
    readonly breaker: string
    /** What its requests, and probes where there were none, have said of late. */
    readonly health: HealthState
    readonly in_use: number
    readonly slots: number
    /** Requests that wait inside the backend, where it tells. */
    readonly queue?: number
  }>
}

/** Whether this instance should be sent work: it isn't draining, and a backend is up. */
export class Readiness extends Context.Service<
  Readiness,
  {
    readonly report: Effect.Effect<ReadinessReport>
  }
>()("ai-ticket/services/Readiness") {
  static readonly layer = Layer.effect(
    Readiness,
    Effect.gen(function* () {
      const { lanes } = yield* Backends
      const lifecycle = yield* Lifecycle
      const line = yield* WaitingLine
      // The route is open to everybody: however often it is asked, each backend is asked once a second.
      const cached = new WeakMap<Lane, Effect.Effect<BackendStatus>>()
      const statusOf = (lane: Lane) =>
        Effect.suspend(() => {
          const known = cached.get(lane)
          if (known !== undefined) return known
          return Effect.flatMap(Effect.cachedWithTTL(lane.backend.status, "1 second"), (status) => {
            const timed = withMonotonicTime(status)
            cached.set(lane, timed)
            return timed
          })
        })
      const reportOf = Effect.fnUntraced(function* (lane: Lane, { inUseOf }: LineState) {
        const { queue, reachable } = yield* statusOf(lane)
        return {
          name: lane.backend.name,
          state: reachable ? ("up" as const) : ("down" as const),
          breaker: yield* lane.breaker.state,
          in_use: inUseOf(lane),
          health: lane.health.state(yield* monotonicMillis),
          slots: lane.slots,
          ...(queue === undefined ? {} : { queue })
        }
      })

      return Readiness.of({
        report: Effect.gen(function* () {
          const draining = lifecycle.draining()
          const state = yield* line.state
          const backends = yield* Effect.forEach(lanes(), (lane) => reportOf(lane, state), { concurrency: "unbounded" })
          return {
            ready: !draining && backends.some(({ breaker, state }) => state === "up" && breaker !== "open"),
            draining,
            queue: {
              waiting: state.waiting,
              in_use: state.inUse,
              expected_wait_seconds: Math.round(state.expectedWait / 100) / 10
            },
            backends
          }
        })
      })
    })
  )
}
