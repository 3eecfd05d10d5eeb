import type { ErrorBody, ErrorCode } from "../../domain/ErrorCatalogue.ts"
import type { FailureShape } from "../FailureResponse.ts"

/** OpenAI's words for kinds of errors. */
const typeOf = (status: number): string => types[status] ?? (status >= 500 ? "server_error" : "invalid_request_error")

const types: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error"
}

/** An error as OpenAI's clients read it. They show the message alone, so the details stand in it. */
export const openAiErrorBody = ({ details, error, message, status_code }: ErrorBody, parameter?: string) => ({
  error: {
    message: details === null ? message : `${message.replace(/\.$/, "")}: ${details}.`,
    type: typeOf(status_code),
    param: parameter ?? null,
    code: error
  }
})

/**
 * What the same request would meet again. OpenAI's clients repeat whatever is a 5xx, and the service has tried what there
 * was to try: where that was in vain, they are told to leave it.
 */
const inVain: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "api_authentication_error",
  "api_client_error",
  "deadline_exceeded"
])

/** Everything under `/v1/`, unknown paths included. */
export const openAiShape: FailureShape = {
  prefix: "/v1/",
  body: openAiErrorBody,
  headers: (code) => (inVain.has(code) ? { "x-should-retry": "false" } : {})
}
