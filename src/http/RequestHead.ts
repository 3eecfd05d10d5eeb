import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as Headers from "effect/http/Headers"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Result from "effect/Result"
import { InvalidParameter, InvalidRequest } from "../domain/Failure.ts"
import type { EventOptions } from "../services/Inference.ts"

/** The content types of a route's bodies, and how they are told to whoever sends another. */
export interface BodyType {
  readonly pattern: RegExp
  readonly expected: string
}

/** Why a body can't be read, as is to be seen without reading it. No type is any type. */
export const whyUnreadable = (headers: Headers.Headers, type: BodyType | undefined): InvalidRequest | undefined => {
  if (type !== undefined && !type.pattern.test(headers["content-type"] ?? "")) {
    return new InvalidRequest({ details: `the content type must be ${type.expected}` })
  }
  return (headers["content-encoding"] ?? "identity") === "identity" ? undefined : compressed
}

const compressed = new InvalidRequest({ details: "compressed bodies are not read" })

/** `X-Request-Timeout`: seconds. */
export const readTimeout = (
  headers: Headers.Headers
): Result.Result<Pick<EventOptions, "timeout">, InvalidParameter> => {
  const text = headers["x-request-timeout"]
  if (text === undefined) return Result.succeed({})
  const seconds = /^\d{1,9}(\.\d{1,6})?$/.test(text.trim()) ? Number(text) : 0
  return seconds > 0
    ? Result.succeed({ timeout: seconds * 1000 })
    : Result.fail(new InvalidParameter({ parameter: "X-Request-Timeout", expected: "a number of seconds above 0" }))
}

/** Tells a client to go on that waits to be told before it sends its body. */
export const writeContinue = (request: HttpServerRequest.HttpServerRequest): void => {
  if (request.headers["expect"]?.toLowerCase() !== "100-continue") return
  NodeHttpServerRequest.toServerResponse(request).writeContinue()
}
