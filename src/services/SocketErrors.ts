/** Why there was no connection at all, in words fit to be told, by Node's code for it. */
const unreached: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "its host name is not known",
  EAI_AGAIN: "its host name can't be looked up now",
  EHOSTUNREACH: "its host can't be reached",
  ENETUNREACH: "its network can't be reached",
  ETIMEDOUT: "its host doesn't answer"
}

/** What an error of a connection means; undefined if there was a connection. */
export const whyUnreached = (error: unknown): string | undefined => unreached[socketErrorCode(error) ?? ""]

/** Whether there was no connection because the certificate at its other end isn't taken. */
export const isUntrusted = (error: unknown): boolean =>
  /CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE/.test(socketErrorCode(error) ?? "")

/** What to tell of a connection that broke. */
export const brokenConnection = "the connection closed before the whole answer had come"

/** Node hides the code of a failed connection in causes, and in aggregates of one error per address. */
const socketErrorCode = (error: unknown): string | undefined => {
  if (typeof error !== "object" || error === null) return undefined
  if ("errors" in error && Array.isArray(error.errors) && error.errors.length > 0)
    return socketErrorCode(error.errors[0])
  if ("code" in error && typeof error.code === "string") return error.code
  return "cause" in error ? socketErrorCode(error.cause) : undefined
}
