import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Result from "effect/Result"
import { type Forbidden, NotFound, type RateLimited, type Unauthorised } from "../domain/Failure.ts"
import { Auth } from "../services/Auth.ts"
import type { RequestRecord } from "../services/CurrentRequest.ts"
import { RateLimit } from "../services/RateLimit.ts"
import { allowedMethods, openRoutes, pathOf } from "./RouteTable.ts"

/**
 * Who may come in, and how often. Everything but the open routes passes here, unknown paths included; a request that is
 * refused for its token has used up a piece of its client's limit all the same.
 */
export const makeGuard = Effect.gen(function* () {
  const auth = yield* Auth
  const rateLimit = yield* RateLimit

  return (
    request: HttpServerRequest.HttpServerRequest,
    record: RequestRecord
  ): Effect.Effect<void, Unauthorised | Forbidden | RateLimited | NotFound> => {
    const path = pathOf(request.url)
    if (openRoutes.has(path)) return Effect.void
    const { headers } = request
    const caller = auth.check({ authorization: headers["authorization"], apiKey: headers["x-api-key"] })
    return Effect.matchEffect(rateLimit.take({ address: record.client, caller: Result.getOrUndefined(caller) }), {
      onFailure: (refused) => {
        const { limit, retryAfterMillis, windowSeconds } = refused
        record.quota = { limit, remaining: 0, resetSeconds: Math.ceil(retryAfterMillis / 1000), windowSeconds }
        return Effect.fail(refused)
      },
      onSuccess: (quota): Effect.Effect<void, Unauthorised | Forbidden | NotFound> => {
        record.quota = quota
        if (Result.isFailure(caller)) return Effect.fail(caller.failure)
        record.tokenId = caller.success.tokenId
        record.priority = caller.success.priority
        // The router would read an encoded path as the plain one; here a path is one spelling.
        return allowedMethods(path) === undefined ? Effect.fail(new NotFound()) : Effect.void
      }
    })
  }
})
