import * as Effect from "effect/Effect"
import { BackendError } from "../domain/BackendError.ts"
import { counted } from "../domain/Counted.ts"
import type { InferenceFailure, NoBackendAvailable } from "../domain/Failure.ts"
import type { Lane } from "./Backends.ts"

/** All of a backend's endpoints failed, or the one that could say what was asked for. */
export interface BackendFailed {
  readonly _tag: "BackendFailed"
  readonly backend: string
  /** Others that failed beside it. */
  readonly also?: ReadonlyArray<string>
  readonly error: BackendError | NoBackendAvailable
}

/** How asking backends can fail, while it is to be known which. */
export type RunFailure = BackendFailed | Exclude<InferenceFailure, BackendError>

/** Behind its breaker, and saying which backend failed, so that the next one can be tried. */
export const failing = <A, R>({ backend, breaker }: Lane, self: Effect.Effect<A, BackendError, R>) =>
  Effect.mapError(breaker.guard(self), (error): RunFailure => ({ _tag: "BackendFailed", backend: backend.name, error }))

/** A backend that takes too long has failed like one that breaks the connection. */
export const inTime = <A, R>({ answerMillis, backend }: Lane, self: Effect.Effect<A, BackendError, R>) =>
  answerMillis === undefined
    ? self
    : Effect.timeoutOrElse(self, {
        duration: answerMillis,
        orElse: () =>
          Effect.fail(
            new BackendError({
              ...{ code: "api_connection_error", backend: backend.name, endpoint: "any", remedy: "retry" },
              reason: `it took longer than ${counted(answerMillis / 1000, "second")}`
            })
          )
      })
