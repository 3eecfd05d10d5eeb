import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { NotFound } from "../../domain/Failure.ts"
import type { BackendModel } from "../../services/InferenceBackend.ts"
import { Models } from "../../services/Models.ts"
import { modelInPath, pathOf } from "../RouteTable.ts"

/** `GET /v1/models` and `GET /v1/models/{id}`: the router takes a wildcard's beginning as well. */
export const modelsRoute = HttpRouter.add(
  "GET",
  "/v1/models/*",
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const list = yield* Effect.flatMap(Models, (models) => models.list)
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const modelBody = ({ created = now, id, ownedBy }: BackendModel) => ({
      id,
      object: "model",
      created,
      owned_by: ownedBy
    })
    const asked = modelInPath(pathOf(request.url))
    if (asked === undefined) return HttpServerResponse.jsonUnsafe({ object: "list", data: list.map(modelBody) })
    const model = list.find(({ id }) => id === asked)
    return model === undefined
      ? yield* new NotFound({ what: "model" })
      : HttpServerResponse.jsonUnsafe(modelBody(model))
  })
)
