import type * as HttpClientError from "effect/http/HttpClientError"

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "its host name is not known",
  EAI_AGAIN: "its host name can't be looked up now",
  EHOSTUNREACH: "its host can't be reached",
  ENETUNREACH: "its network can't be reached",
  ETIMEDOUT: "its host doesn't answer"
}

/** Why a call got no whole answer, in words fit to be told. */
export const whyUnreachable = (error: HttpClientError.HttpClientError): string => {
  const code = codeOf("cause" in error.reason ? error.reason.cause : undefined)
  return reasons[code ?? ""] ?? "the connection closed before the whole answer had come"
}

/** Node hides the code of a failed connection in causes, and in one error per address. */
const codeOf = (cause: unknown): string | undefined => {
  if (typeof cause !== "object" || cause === null) return undefined
  if ("errors" in cause && Array.isArray(cause.errors) && cause.errors.length > 0) return codeOf(cause.errors[0])
  if ("code" in cause && typeof cause.code === "string") return cause.code
  return "cause" in cause ? codeOf(cause.cause) : undefined
}
