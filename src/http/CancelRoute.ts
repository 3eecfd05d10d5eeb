import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { NotFound } from "../domain/Failure.ts"
import { Cancellations } from "../services/Cancellations.ts"
import { CurrentRequest, ownerOf } from "../services/CurrentRequest.ts"
import { pathOf, requestInPath } from "./RouteTable.ts"

/** `DELETE /requests/{id}`: cancels what the same client has in hand by that `X-Request-Id`. */
export const cancelRoute = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const cancellations = yield* Cancellations
    yield* router.add("DELETE", "/requests/*", (request) =>
      Effect.flatMap(CurrentRequest, (record) => {
        const id = requestInPath(pathOf(request.url))
        const owner = record === undefined ? "" : ownerOf(record)
        const cancelled = id === undefined ? Effect.succeed(false) : cancellations.cancel({ owner, id })
        return Effect.flatMap(cancelled, (found) =>
          found
            ? Effect.succeed(HttpServerResponse.empty({ status: 204 }))
            : Effect.fail(new NotFound({ what: "request" }))
        )
      })
    )
  })
)
