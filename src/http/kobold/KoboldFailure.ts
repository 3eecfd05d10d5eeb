import type { ErrorBody } from "../../domain/ErrorCatalogue.ts"
import type { FailureShape } from "../FailureResponse.ts"

/** KoboldCpp's kinds of errors. Its clients offer to abort what is in the way when a service is unavailable. */
const typeOf = (status: number) => {
  if (status === 401 || status === 403) return "unauthorized"
  return status >= 500 || status === 429 ? "service_unavailable" : "bad_input"
}

/** An error as KoboldCpp tells it, and our stable code beside: its clients show the message and look at the type. */
export const koboldError = ({ details, error, message, status_code: status }: ErrorBody) => ({
  detail: {
    msg: details === null ? message : `${message.replace(/\.$/, "")}: ${details}.`,
    type: typeOf(status),
    error
  }
})

/** The paths of KoboldCpp's own protocol, and of the one for pictures that it takes along. */
export const koboldShapes: ReadonlyArray<FailureShape> = ["/api/", "/sdapi/"].map((prefix) => ({
  prefix,
  body: koboldError
}))
