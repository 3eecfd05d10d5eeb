import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import type { BackendError } from "../domain/BackendError.ts"

/** Whether an error tells of the backend's health, and not of the request or of its answer. */
export const isUnwell = ({ code }: BackendError) => code === "api_connection_error" || code === "api_server_error"

/** What a breaker that counts failures makes of how a request ended. What is late counts elsewhere. */
export const judge = (exit: Exit.Exit<unknown, BackendError>): CircuitBreaker.Outcome => {
  if (Exit.isSuccess(exit)) return CircuitBreaker.success
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  if (error === undefined || error.late === true || !isUnwell(error)) return CircuitBreaker.ignored
  return CircuitBreaker.failure(error.retryAfterMillis === undefined ? {} : { retryAfter: error.retryAfterMillis })
}
