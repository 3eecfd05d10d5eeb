import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import { Auth } from "../services/Auth.ts"
import { RateLimit } from "../services/RateLimit.ts"
import { CurrentRequest } from "./RequestRecord.ts"
import { openRoutes, pathOf } from "./RouteTable.ts"

/**
 * Who may come in, and how often. Everything but the open routes passes here, unknown paths included; a request that is
 * refused for its token has used up a piece of its client's limit all the same.
 */
export const makeGuard = Effect.gen(function* () {
  const auth = yield* Auth
  const rateLimit = yield* RateLimit
  return <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      if (openRoutes.has(pathOf(request.url))) return yield* app
      const record = yield* CurrentRequest
      const caller = yield* Effect.result(
        auth.check({ authorization: request.headers["authorization"], apiKey: request.headers["x-api-key"] })
      )
      record.quota = yield* rateLimit.take({ address: record.client, caller: Result.getOrUndefined(caller) }).pipe(
        Effect.tapError(({ limit, retryAfterMillis, windowSeconds }) =>
          Effect.sync(() => {
            record.quota = { limit, remaining: 0, resetSeconds: Math.ceil(retryAfterMillis / 1000), windowSeconds }
          })
        )
      )
      yield* Effect.fromResult(caller)
      return yield* app
    })
})
