import * as Schema from "effect/Schema"
import { BackendError } from "./BackendError.ts"
import { counted } from "./Counted.ts"
import { type ErrorBody, type ErrorCode, errorCatalogue } from "./ErrorCatalogue.ts"

/** The body is not JSON, or does not say that it is, or is not what the route takes. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  details: Schema.String,
  /** The place in the request, where there is one. */
  parameter: Schema.optionalKey(Schema.String)
}) {
  readonly code = "invalid_request"
  override get message() {
    return "The request is not one that ai-ticket understands."
  }
}

/** The body is JSON, and not an object. */
export class InvalidInputFormat extends Schema.TaggedError<InvalidInputFormat>()("InvalidInputFormat", {}) {
  readonly code = "invalid_input_format"
  override get message() {
    return "The body must be a JSON object."
  }
}

/** The event says nothing that a prompt could be made of: it has no `content`. */
export class MissingContentField extends Schema.TaggedError<MissingContentField>()("MissingContentField", {}) {
  readonly code = "missing_content_field"
  override get message() {
    return "The event has no content field."
  }
}

/** The event has a `content`, and nothing in it is a prompt. */
export class PromptExtractionFailed extends Schema.TaggedError<PromptExtractionFailed>()("PromptExtractionFailed", {}) {
  readonly code = "prompt_extraction_failed"
  override get message() {
    return "The event's content holds no prompt."
  }
}

/** A sampling parameter, or a header field that asks for something, has a wrong type or is out of range. */
export class InvalidParameter extends Schema.TaggedError<InvalidParameter>()("InvalidParameter", {
  parameter: Schema.String,
  /** The type and range, as the caller is told. */
  expected: Schema.String
}) {
  readonly code = "invalid_parameter"
  override get message() {
    return `${this.parameter} must be ${this.expected}.`
  }
}

/** The body, or a line of it, is over `AI_TICKET_MAX_BODY_BYTES`. */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  limitBytes: Schema.Int,
  what: Schema.optionalKey(Schema.Literals(["body", "line"]))
}) {
  readonly code = "payload_too_large"
  override get message() {
    return `The ${this.what ?? "body"} is over the limit of ${counted(this.limitBytes, "byte")}.`
  }
}

/** The client took longer than `AI_TICKET_RECEIVE_TIMEOUT_SECONDS` to send its request. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {}) {
  readonly code = "request_timeout"
  override get message() {
    return "The request did not arrive in time."
  }
}

/** Tokens are set, and none was sent. */
export class Unauthorised extends Schema.TaggedError<Unauthorised>()("Unauthorised", {}) {
  readonly code = "unauthorised"
  override get message() {
    return "A token is needed: send Authorization: Bearer <token> or X-API-Key: <token>."
  }
}

/** The token that was sent is none of those that are set. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {}) {
  readonly code = "forbidden"
  override get message() {
    return "The token is not a valid one."
  }
}

/** What the request names isn't there: its route, its model, or the request that it is about. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  what: Schema.optionalKey(Schema.Literals(["route", "model", "request"]))
}) {
  readonly code = "not_found"
  override get message() {
    return `There is no such ${this.what ?? "route"}.`
  }
}

/** The route is there, and takes other methods. */
export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>()("MethodNotAllowed", {
  allowed: Schema.Array(Schema.String)
}) {
  readonly code = "method_not_allowed"
  override get message() {
    return `This route takes ${this.allowed.join(", ")}.`
  }
}

/** Its client has sent as many requests as it may in the present window. */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  retryAfterMillis: Schema.Finite,
  limit: Schema.Int,
  windowSeconds: Schema.Finite
}) {
  readonly code = "rate_limited"
  override get message() {
    return `Over the limit of ${counted(this.limit, "request")} in ${counted(this.windowSeconds, "second")}.`
  }
}

/** The waiting line is full, the wait longer than the request's time, or the room for bodies that are received used up. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", {
  /** When there may be room, by what the backends have taken of late. */
  retryAfterMillis: Schema.Finite
}) {
  readonly code = "overloaded"
  override get message() {
    return "Too many requests are waiting, or the wait would be longer than this one may take."
  }
}

/** The breaker of every backend that would do is open. */
export class NoBackendAvailable extends Schema.TaggedError<NoBackendAvailable>()("NoBackendAvailable", {
  /** When the first of them lets somebody through to see. */
  retryAfterMillis: Schema.Finite
}) {
  readonly code = "no_backend_available"
  override get message() {
    return "No backend is up."
  }
}

/** The time budget of the whole request is used up: waiting in line, retries and fallbacks are in it. */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  budgetMillis: Schema.Finite
}) {
  readonly code = "deadline_exceeded"
  override get message() {
    // To the microsecond, as callers may say it: clocks' readings have fractions that don't add up.
    return `No answer within ${counted(Math.round(this.budgetMillis * 1000) / 1_000_000, "second")}.`
  }
}

/** The service drains: it takes nothing new, and its grace period may be over. */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", {}) {
  readonly code = "shutting_down"
  override get message() {
    return "This instance is shutting down."
  }
}

/** The client that sent it has cancelled it, over another connection. */
export class Cancelled extends Schema.TaggedError<Cancelled>()("Cancelled", {}) {
  readonly code = "cancelled"
  override get message() {
    return "The request was cancelled."
  }
}

/** What can cut an inference short while nothing is wrong with it. */
export type CutShort = DeadlineExceeded | ShuttingDown | Cancelled

/** Every failure of an inference, whichever way it was asked for. */
export const InferenceFailure = Schema.Union([
  InvalidRequest,
  InvalidInputFormat,
  MissingContentField,
  PromptExtractionFailed,
  InvalidParameter,
  Overloaded,
  NoBackendAvailable,
  DeadlineExceeded,
  ShuttingDown,
  Cancelled,
  BackendError
])
/** One of them; `errorBody` tells it as HTTP does. */
export type InferenceFailure = typeof InferenceFailure.Type

/** Every failure that a caller over HTTP can meet and that has a class: the rest is `internal_error`. */
export const Failure = Schema.Union([
  ...InferenceFailure.members,
  PayloadTooLarge,
  RequestTimeout,
  Unauthorised,
  Forbidden,
  NotFound,
  MethodNotAllowed,
  RateLimited
])
/** One of them. */
export type Failure = typeof Failure.Type

/** Whether it is a failure of ours, and no bug. */
export const isFailure = Schema.is(Failure)

/** How a failure is told to a caller. */
export const errorBody = (failure: Failure): ErrorBody =>
  bodyFor(failure.code, failure.message, "details" in failure ? failure.details : null)

/** The body for a failure that has no class of its own: what Node's HTTP parser refuses, and bugs. */
export const bodyFor = (code: ErrorCode, message: string, details: string | null = null): ErrorBody => ({
  error: code,
  message,
  status_code: errorCatalogue[code].status,
  details
})

/** Whole seconds for `Retry-After`: at least one, so that nobody spins. */
export const retryAfterSeconds = (failure: Failure): number | undefined =>
  "retryAfterMillis" in failure && failure.retryAfterMillis !== undefined && failure._tag !== "BackendError"
    ? Math.max(1, Math.ceil(failure.retryAfterMillis / 1000))
    : undefined
