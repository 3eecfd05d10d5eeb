import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { type CutShort, type Failure, InvalidRequest } from "../domain/Failure.ts"
import { Cancellations } from "../services/Cancellations.ts"
import { CurrentRequest, ownerOf } from "../services/CurrentRequest.ts"
import { either, none } from "../services/Ending.ts"
import type { EventOptions } from "../services/Inference.ts"
import { Lifecycle } from "../services/Lifecycle.ts"
import { readCacheControl } from "./CacheControl.ts"
import { RequestBody } from "./RequestBody.ts"
import { type BodyType, readTimeout, whyUnreadable } from "./RequestHead.ts"
import { readPriority } from "./RequestPriority.ts"

/** `application/json` and `application/*+json`, with any parameters. */
const jsonType: BodyType = {
  pattern: /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json\s*(?:;|$)/i,
  expected: "application/json"
}

/** How strict a route is with what its clients send. */
export interface JsonWorkOptions {
  /** Reads a body whatever content type it claims, as KoboldCpp does, and takes an empty one for `{}`. */
  readonly anyContentType?: boolean
}

/**
 * What every route that asks a model for something begins with: it is work in hand, its body is JSON, and its options say
 * when it began, how long it may take and what else may cut it short.
 */
export class JsonWork extends Context.Service<
  JsonWork,
  <A, E extends Failure, R>(
    request: HttpServerRequest.HttpServerRequest,
    use: (body: unknown, options: EventOptions) => Effect.Effect<A, E, R>,
    options?: JsonWorkOptions
  ) => Effect.Effect<A, Failure, R>
>()("ai-ticket/http/JsonWork") {
  static readonly layer = Layer.effect(
    JsonWork,
    Effect.gen(function* () {
      const lifecycle = yield* Lifecycle
      const bodies = yield* RequestBody
      const cancellations = yield* Cancellations
      const work: JsonWork["Service"] = <A, E extends Failure, R>(
        request: HttpServerRequest.HttpServerRequest,
        use: (body: unknown, options: EventOptions) => Effect.Effect<A, E, R>,
        { anyContentType = false }: JsonWorkOptions = {}
      ) =>
        lifecycle.work((ending) =>
          Effect.withFiber<A, Failure, R>((fiber) => {
            const { headers } = request
            const refused = whyUnreadable(headers, anyContentType ? undefined : jsonType)
            const timeout = readTimeout(headers)
            if (Result.isFailure(timeout)) return Effect.fail(timeout.failure)
            if (refused !== undefined) return Effect.fail(refused)
            const record = fiber.getRef(CurrentRequest)
            const priority = readPriority(headers["x-priority"], record)
            if (Result.isFailure(priority)) return Effect.fail(priority.failure)
            const cancelled =
              record === undefined ? none : cancellations.endingOf({ owner: ownerOf(record), id: record.id })
            const options = {
              ending: either<CutShort, CutShort>(ending, cancelled),
              ...timeout.success,
              ...readCacheControl(headers["cache-control"]),
              ...(record === undefined ? {} : { startedAt: record.startedAt })
            }
            return Effect.flatMap(bodies.read(request, ending), (text): Effect.Effect<A, E | InvalidRequest, R> => {
              const body = parse(anyContentType && text === "" ? "{}" : text)
              return Result.isFailure(body) ? Effect.fail(body.failure) : use(body.success, options)
            })
          })
        )
      return work
    })
  )
}

const parse = (text: string): Result.Result<unknown, InvalidRequest> =>
  Result.mapError(
    Result.try((): unknown => JSON.parse(text)),
    () => new InvalidRequest({ details: "the body is not JSON" })
  )
