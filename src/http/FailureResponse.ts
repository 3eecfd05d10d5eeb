import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerError from "effect/http/HttpServerError"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { BackendError } from "../domain/BackendError.ts"
import { errorCatalogue } from "../domain/ErrorCatalogue.ts"
import * as Failure from "../domain/Failure.ts"
import type { RequestRecord } from "../services/CurrentRequest.ts"
import { Settings } from "../services/Settings.ts"
import { allowedMethods, pathOf } from "./RouteTable.ts"

/** A failure as the caller gets it: the JSON body of the catalogue, and the header fields that go with it. */
export const failureResponse = (failure: Failure.Failure): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(Failure.errorBody(failure), {
    status: errorCatalogue[failure.code].status,
    headers: headersFor(failure)
  })

const headersFor = (failure: Failure.Failure): Record<string, string> => {
  const seconds = Failure.retryAfterSeconds(failure)
  return {
    ...(seconds === undefined ? {} : { "retry-after": String(seconds) }),
    ...(failure._tag === "Unauthorised" ? { "www-authenticate": "Bearer" } : {}),
    ...(failure._tag === "MethodNotAllowed" ? { allow: failure.allowed.join(", ") } : {}),
    // What is left of the body is not worth reading.
    ...(failure._tag === "PayloadTooLarge" || failure._tag === "RequestTimeout" ? { connection: "close" } : {})
  }
}

/**
 * Turns whatever a route or the router ends with into a response: failures by the catalogue, the rest into an
 * `internal_error` whose cause is for the log alone. An interruption stays one: its client is gone.
 */
export const makeRenderFailure = Effect.map(
  Settings,
  ({ maxBodyBytes }) =>
    <E>(
      cause: Cause.Cause<E>,
      request: HttpServerRequest.HttpServerRequest,
      record: RequestRecord
    ): Effect.Effect<HttpServerResponse.HttpServerResponse, E> => {
      const [reason] = cause.reasons
      if (reason === undefined || reason._tag === "Interrupt") return Effect.failCause(cause)
      const known = reason._tag === "Fail" ? toFailure(reason.error, request, maxBodyBytes) : undefined
      record.error = known?.code ?? "internal_error"
      return known === undefined
        ? Effect.as(Effect.logError("internal error", cause), internalError)
        : Effect.succeed(failureResponse(known))
    }
)

const internalError = HttpServerResponse.jsonUnsafe(
  Failure.bodyFor("internal_error", "Something in ai-ticket went wrong."),
  { status: errorCatalogue.internal_error.status }
)

const isFailure = Schema.is(
  Schema.Union([
    BackendError,
    Failure.InvalidRequest,
    Failure.InvalidInputFormat,
    Failure.MissingContentField,
    Failure.PromptExtractionFailed,
    Failure.InvalidParameter,
    Failure.PayloadTooLarge,
    Failure.RequestTimeout,
    Failure.Unauthorised,
    Failure.Forbidden,
    Failure.NotFound,
    Failure.MethodNotAllowed,
    Failure.RateLimited,
    Failure.Overloaded,
    Failure.NoBackendAvailable,
    Failure.DeadlineExceeded,
    Failure.ShuttingDown
  ])
)

const toFailure = (
  error: unknown,
  request: HttpServerRequest.HttpServerRequest,
  limitBytes: number
): Failure.Failure | undefined => {
  if (isFailure(error)) return error
  if (!HttpServerError.isHttpServerError(error)) return undefined
  const { reason } = error
  if (reason._tag === "RouteNotFound") {
    const allowed = allowedMethods(pathOf(request.url))
    return allowed === undefined ? new Failure.NotFound() : new Failure.MethodNotAllowed({ allowed })
  }
  if (reason._tag !== "RequestParseError") return undefined
  return reason.reason === "BodyTooLarge"
    ? new Failure.PayloadTooLarge({ limitBytes })
    : new Failure.InvalidRequest({ details: "the body could not be read" })
}
