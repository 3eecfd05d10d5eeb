import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Breaker } from "./Breaker.ts"
import { InferenceBackend } from "./InferenceBackend.ts"
import { Lifecycle } from "./Lifecycle.ts"
import { withMonotonicTime } from "./MonotonicClock.ts"
import { WaitingLine } from "./WaitingLine.ts"

/** The JSON body of `GET /ready`. */
export interface ReadinessReport {
  readonly ready: boolean
  readonly draining: boolean
  readonly queue: { readonly waiting: number; readonly in_use: number }
  readonly backends: ReadonlyArray<{
    readonly name: string
    readonly state: "up" | "down"
    readonly breaker: string
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
      const backend = yield* InferenceBackend
      const breaker = yield* Breaker
      const lifecycle = yield* Lifecycle
      const line = yield* WaitingLine
      // The route is open to everybody: however often it is asked, the backend is asked once a second.
      const status = withMonotonicTime(yield* Effect.cachedWithTTL(backend.status, "1 second"))

      return Readiness.of({
        report: Effect.gen(function* () {
          const draining = lifecycle.draining()
          const { queue, reachable } = yield* status
          const state = yield* breaker.state
          return {
            ready: !draining && reachable && state !== "open",
            draining,
            queue: { waiting: yield* line.waiting, in_use: yield* line.inUse },
            backends: [
              {
                name: backend.name,
                state: reachable ? "up" : "down",
                breaker: state,
                ...(queue === undefined ? {} : { queue })
              }
            ]
          }
        })
      })
    })
  )
}
