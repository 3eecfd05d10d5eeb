import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import { completionBody } from "../domain/Completion.ts"
import { InvalidParameter, InvalidRequest } from "../domain/Failure.ts"
import { CurrentRequest } from "../services/CurrentRequest.ts"
import { Inference } from "../services/Inference.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { RequestBody } from "./RequestBody.ts"

/** `application/json` and `application/*+json`, with any parameters. */
const jsonType = /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json\s*(?:;|$)/i

/** `POST /event`: one event in, one completion out. */
export const eventRoute = HttpRouter.add(
  "POST",
  "/event",
  Effect.gen(function* () {
    const inference = yield* Inference
    const lifecycle = yield* Lifecycle
    const bodies = yield* RequestBody
    const request = yield* HttpServerRequest.HttpServerRequest
    const startedAt = (yield* CurrentRequest)?.startedAt
    return yield* lifecycle.work(
      Effect.gen(function* () {
        const options = yield* Effect.fromResult(readOptions(request.headers["x-request-timeout"]))
        if (!jsonType.test(request.headers["content-type"] ?? "")) {
          return yield* new InvalidRequest({ details: "the content type must be application/json" })
        }
        if ((request.headers["content-encoding"] ?? "identity") !== "identity") {
          return yield* new InvalidRequest({ details: "compressed bodies are not read" })
        }
        const event = yield* Effect.fromResult(parse(yield* bodies.read(request)))
        const completion = yield* inference.onEvent(
          event,
          startedAt === undefined ? options : { ...options, startedAt }
        )
        return HttpServerResponse.jsonUnsafe(completionBody(completion))
      })
    )
  })
)

const parse = (text: string): Result.Result<unknown, InvalidRequest> =>
  Result.mapError(
    Result.try((): unknown => JSON.parse(text)),
    () => new InvalidRequest({ details: "the body is not JSON" })
  )

const readOptions = (timeout: string | undefined) => {
  if (timeout === undefined) return Result.succeed({})
  const seconds = /^\d{1,9}(\.\d{1,6})?$/.test(timeout.trim()) ? Number(timeout) : 0
  return seconds > 0
    ? Result.succeed({ timeout: seconds * 1000 })
    : Result.fail(new InvalidParameter({ parameter: "X-Request-Timeout", expected: "a number of seconds above 0" }))
}
