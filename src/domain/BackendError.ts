import * as Schema from "effect/Schema"
import type { BackendErrorCode } from "./ErrorCatalogue.ts"

/** Every way in which an attempt can fail. */
export const backendErrorCodes = [
  "api_authentication_error",
  "api_client_error",
  "api_rate_limited",
  "api_server_error",
  "api_connection_error",
  "api_response_format_error",
  "api_response_structure_error",
  "backend_error"
] as const satisfies ReadonlyArray<BackendErrorCode>

const messages: Record<BackendErrorCode, string> = {
  api_authentication_error: "The backend refused ai-ticket's credentials.",
  api_client_error: "The backend refused the request.",
  api_rate_limited: "The backend is limiting requests.",
  api_server_error: "The backend failed.",
  api_connection_error: "The connection to the backend failed.",
  api_response_format_error: "The backend's answer is not JSON.",
  api_response_structure_error: "The backend's answer is not of the expected shape.",
  backend_error: "The backend answered with no text."
}

/**
 * What to do after a failed attempt: try the same endpoint again, try the next one, or give up.
 *
 * `absent` is the next one too, at no cost to the retry budget: the endpoint isn't there at all.
 */
export type Remedy = "retry" | "next" | "absent" | "give up"

/** One attempt at one endpoint of one backend failed. */
export class BackendError extends Schema.TaggedError<BackendError>()("BackendError", {
  code: Schema.Literals(backendErrorCodes),
  backend: Schema.String,
  endpoint: Schema.String,
  /** What happened, in words of ours: never text from the backend, which may echo the prompt. */
  reason: Schema.String,
  remedy: Schema.Literals(["retry", "next", "absent", "give up"]),
  /** The least wait the backend asked for. */
  retryAfterMillis: Schema.optionalKey(Schema.Finite),
  /** It was given up for taking too long. */
  late: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return messages[this.code]
  }
  get details() {
    return `${this.backend}, ${this.endpoint}: ${this.reason}`
  }
}

/** Reads a status that is not a 200: which error it is, and the remedy. */
export const classifyStatus = (status: number): { readonly code: BackendErrorCode; readonly remedy: Remedy } => {
  if (status === 401 || status === 403) return { code: "api_authentication_error", remedy: "give up" }
  if (status === 404 || status === 405 || status === 501) return { code: "api_client_error", remedy: "absent" }
  if (status === 429) return { code: "api_rate_limited", remedy: "retry" }
  if (status >= 500) return { code: "api_server_error", remedy: "retry" }
  return { code: "api_client_error", remedy: "give up" }
}

/**
 * The error to tell when several endpoints failed: the last one that says more than "not here".
 */
export const mostTelling = (last: BackendError, previous: BackendError | undefined): BackendError =>
  last.remedy === "absent" && previous !== undefined ? previous : last
