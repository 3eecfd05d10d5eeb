import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Result from "effect/Result"
import { InvalidRequest } from "../../domain/Failure.ts"
import { none } from "../../services/Ending.ts"
import { RequestBody } from "../RequestBody.ts"
import { readFields } from "./NativeRequest.ts"

/**
 * The object in the body of a request beside the generations, an empty one if there is none. Such a request is no work
 * in hand: while the service drains, what is in hand can still be looked at and aborted.
 */
export const sideBody = Effect.gen(function* () {
  const bodies = yield* RequestBody
  const request = yield* HttpServerRequest.HttpServerRequest
  const text = yield* bodies.read(request, none)
  const json = Result.try((): unknown => JSON.parse(text === "" ? "{}" : text))
  if (Result.isFailure(json)) return yield* new InvalidRequest({ details: "the body is not JSON" })
  return yield* Effect.fromResult(readFields(json.success))
})
