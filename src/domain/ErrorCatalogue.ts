/** What a code answers with and what it tells. */
export interface CatalogueEntry {
  readonly status: number
  /** When a caller meets it. The README's table is held to these words by a test. */
  readonly when: string
}

/**
 * Every error a caller can meet: the code is stable, the status goes with it.
 *
 * HTTP, the CLI, the library and the README all read this one table.
 */
export const errorCatalogue = {
  invalid_request: { status: 400, when: "the body is not JSON, its content type isn't, or the request is malformed" },
  invalid_input_format: { status: 400, when: "the JSON isn't an object" },
  missing_content_field: { status: 400, when: "there is no `content`" },
  unauthorised: { status: 401, when: "a token is needed and none was sent" },
  forbidden: { status: 403, when: "the token is wrong" },
  not_found: { status: 404, when: "there is no such route, or no such model" },
  method_not_allowed: { status: 405, when: "the route knows other methods: see `Allow`" },
  request_timeout: { status: 408, when: "the request did not arrive in time" },
  cancelled: { status: 409, when: "its client cancelled it: `DELETE /requests/{id}`" },
  payload_too_large: { status: 413, when: "the body is over the limit" },
  prompt_extraction_failed: { status: 422, when: "`content` holds nothing to send to a model" },
  invalid_parameter: { status: 422, when: "a parameter has a wrong type or is out of range" },
  rate_limited: { status: 429, when: "too many requests from this client: see `Retry-After`" },
  request_header_fields_too_large: { status: 431, when: "the request's header is over the limit" },
  internal_error: { status: 500, when: "a bug in ai-ticket: its log has the cause" },
  api_authentication_error: { status: 502, when: "the backend said 401 or 403" },
  api_client_error: { status: 502, when: "the backend refused the request" },
  api_rate_limited: { status: 502, when: "the backend kept saying 429" },
  api_server_error: { status: 502, when: "the backend kept failing with a 5xx" },
  api_connection_error: { status: 502, when: "the backend refused, reset or closed the connection" },
  api_response_format_error: { status: 502, when: "the backend's answer isn't JSON" },
  api_response_structure_error: { status: 502, when: "the backend's answer is JSON of another shape" },
  backend_error: { status: 502, when: "the backend answered with no text at all" },
  overloaded: {
    status: 503,
    when: "the line or the room for bodies is full, or the wait too long: see `Retry-After`"
  },
  no_backend_available: { status: 503, when: "no backend is up: see `Retry-After`" },
  shutting_down: { status: 503, when: "this instance is draining" },
  deadline_exceeded: { status: 504, when: "the request's whole time budget is used up" }
} as const satisfies Record<string, CatalogueEntry>

/** The stable word for an error. */
export type ErrorCode = keyof typeof errorCatalogue

/** The codes that tell of an attempt at a backend. */
export type BackendErrorCode = Extract<ErrorCode, `api_${string}` | "backend_error">

/** The JSON body of every failure. */
export interface ErrorBody {
  readonly error: ErrorCode
  /** A sentence for people: it may be put in other words. */
  readonly message: string
  /** The HTTP status that goes with the code. */
  readonly status_code: number
  /** What else is known; never a secret, and nothing of a prompt. */
  readonly details: string | null
}
