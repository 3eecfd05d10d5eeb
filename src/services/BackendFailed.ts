import * as Effect from "effect/Effect"
import { BackendError } from "../domain/BackendError.ts"
import { counted } from "../domain/Counted.ts"
import type { InferenceFailure, NoBackendAvailable } from "../domain/Failure.ts"
import type { Lane } from "./Backends.ts"
import { endedBy } from "./Ending.ts"

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

/**
 * In the backend's time and behind its breaker, and saying which backend failed, so that the next one can be tried. Where
 * there is `another`, it ends when probes find that this one has fallen silent.
 */
export const failing = <A, R>(
  { answerMillis, backend, breaker }: Lane,
  self: Effect.Effect<A, BackendError, R>,
  another: boolean
) => {
  const guarded = breaker.guard(answerMillis === undefined ? self : inTime(answerMillis, backend.name, self))
  return Effect.mapError(
    another ? endedBy(breaker.lost)(guarded) : guarded,
    (error): RunFailure => ({ _tag: "BackendFailed", backend: backend.name, error })
  )
}

/** A backend that takes too long has failed like one that breaks the connection. */
const inTime = <A, R>(millis: number, backend: string, self: Effect.Effect<A, BackendError, R>) =>
  Effect.timeoutOrElse(self, {
    duration: millis,
    orElse: () =>
      Effect.fail(
        new BackendError({
          ...{ code: "api_connection_error", backend, endpoint: "any", remedy: "retry" },
          ...{ reason: `it took longer than ${counted(millis / 1000, "second")}`, late: true }
        })
      )
  })
