import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { BackendError } from "../domain/BackendError.ts"
import type { Generation } from "../domain/Completion.ts"
import type { SamplingParameters } from "../domain/SamplingParameters.ts"
import type { Slot } from "./WaitingLine.ts"

/** What a backend is asked for. */
export interface GenerationRequest {
  readonly prompt: string
  readonly parameters: SamplingParameters
}

/** One way to reach the model of a backend. */
export interface Endpoint {
  /** A fixed word, fit for a metric label: `chat`, `completion`, `generate`. */
  readonly name: string
  /**
   * One attempt, without retries. Its text is not empty. Interrupting it aborts the generation at the backend; the
   * slot stays taken until the backend has heard of it.
   */
  readonly attempt: (request: GenerationRequest) => Effect.Effect<Generation, BackendError, Slot>
}

/** Whether a backend answers, and how busy it says it is. */
export interface BackendStatus {
  readonly reachable: boolean
  /** Requests waiting inside the backend, where it tells. */
  readonly queue?: number
}

/**
 * The port to a backend: an adapter lists its endpoints in order of preference, and what can go wrong at each is told
 * as a `BackendError` with its remedy. Retry, fallback, slots and deadlines live above it, once for all adapters.
 */
export class InferenceBackend extends Context.Service<
  InferenceBackend,
  {
    readonly name: string
    readonly endpoints: readonly [Endpoint, ...ReadonlyArray<Endpoint>]
    /** Asks the backend how it is; answers within two seconds. */
    readonly status: Effect.Effect<BackendStatus>
  }
>()("ai-ticket/services/InferenceBackend") {}
