import { assert, describe, it } from "@effect/vitest"
import { errorCatalogue } from "../../src/domain/ErrorCatalogue.ts"

/** What callers were promised: a change here breaks somebody's error handling. */
const promised = {
  invalid_request: 400,
  invalid_input_format: 400,
  missing_content_field: 400,
  payload_too_large: 413,
  prompt_extraction_failed: 422,
  invalid_parameter: 422,
  unauthorised: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  rate_limited: 429,
  api_authentication_error: 502,
  api_client_error: 502,
  api_rate_limited: 502,
  api_server_error: 502,
  api_connection_error: 502,
  api_response_format_error: 502,
  api_response_structure_error: 502,
  backend_error: 502,
  deadline_exceeded: 504,
  overloaded: 503,
  no_backend_available: 503,
  shutting_down: 503,
  internal_error: 500
} as const

describe("errorCatalogue", () => {
  it("has every promised code with its status", () => {
    const statuses = Object.fromEntries(Object.entries(errorCatalogue).map(([code, { status }]) => [code, status]))
    assert.deepInclude(statuses, promised)
  })

  it("says when each is met, in words that fit a table's cell", () => {
    for (const { when } of Object.values(errorCatalogue)) assert.match(when, /^[^|\n]+[^.|\n]$/)
  })
})
