import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpServerError from "effect/http/HttpServerError"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { type ErrorBody, type ErrorCode, errorCatalogue } from "../domain/ErrorCatalogue.ts"
import * as Failure from "../domain/Failure.ts"
import type { RequestRecord } from "../services/CurrentRequest.ts"
import { koboldShapes } from "./kobold/KoboldFailure.ts"
import { openAiShape } from "./openai/OpenAiError.ts"
import { allowedMethods, pathOf } from "./RouteTable.ts"

/** How a surface tells an error: its clients know their own protocol's shape and no other. */
export interface FailureShape {
  /** The beginning of the surface's paths. */
  readonly prefix: string
  /** The parameter is the place in the request that is at fault, where one is known. */
  readonly body: (error: ErrorBody, parameter: string | undefined) => object
  /** Header fields that only its clients know. */
  readonly headers?: (code: ErrorCode) => Readonly<Record<string, string>>
}

/** Beside the shape of the catalogue, which every other path has. */
const shapes: ReadonlyArray<FailureShape> = [openAiShape, ...koboldShapes]

/** Ours, whoever's paths stand around them. */
const ownPrefix = "/api/metrics/"

const shapeAt = (path: string): FailureShape | undefined =>
  path.startsWith(ownPrefix) ? undefined : shapes.find(({ prefix }) => path.startsWith(prefix))

/** A failure as the caller gets it: a JSON body in the shape of the path, and the header fields that go with it. */
const failureResponse = (failure: Failure.Failure, path: string): HttpServerResponse.HttpServerResponse => {
  const shape = shapeAt(path)
  const error = Failure.errorBody(failure)
  const parameter = "parameter" in failure ? failure.parameter : undefined
  return HttpServerResponse.jsonUnsafe(shape?.body(error, parameter) ?? error, {
    status: errorCatalogue[failure.code].status,
    headers: { ...headersFor(failure), ...shape?.headers?.(failure.code) }
  })
}

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
export const renderFailure = <E>(
  cause: Cause.Cause<E>,
  request: HttpServerRequest.HttpServerRequest,
  record: RequestRecord
): Effect.Effect<HttpServerResponse.HttpServerResponse, E> => {
  const [reason] = cause.reasons
  if (reason === undefined || reason._tag === "Interrupt") return Effect.failCause(cause)
  const known = reason._tag === "Fail" ? toFailure(reason.error, request) : undefined
  record.error = known?.code ?? "internal_error"
  record.details = known !== undefined && "details" in known ? known.details : undefined
  return known === undefined
    ? Effect.as(Effect.logError("internal error", cause), internalError(pathOf(request.url)))
    : Effect.succeed(failureResponse(known, pathOf(request.url)))
}

const internalError = (path: string) =>
  HttpServerResponse.jsonUnsafe(shapeAt(path)?.body(wentWrong, undefined) ?? wentWrong, {
    status: wentWrong.status_code
  })

/** What is told of a bug. */
export const wentWrong = Failure.bodyFor("internal_error", "Something in ai-ticket went wrong.")

const toFailure = (error: unknown, request: HttpServerRequest.HttpServerRequest): Failure.Failure | undefined => {
  if (Failure.isFailure(error)) return error
  if (!HttpServerError.isHttpServerError(error) || error.reason._tag !== "RouteNotFound") return undefined
  const allowed = allowedMethods(pathOf(request.url))
  return allowed === undefined ? new Failure.NotFound() : new Failure.MethodNotAllowed({ allowed })
}
