import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { Ids } from "../../services/Ids.ts"
import { Inference } from "../../services/Inference.ts"
import { EventStream } from "../EventStream.ts"
import { JsonWork } from "../JsonWork.ts"
import { chat } from "./Chat.ts"
import { chunkFraming } from "./ChunkFraming.ts"
import { type Protocol, wholeBody } from "./Protocol.ts"
import { text } from "./Text.ts"

const generationRoute = (path: `/${string}`, protocol: Protocol) =>
  HttpRouter.use((router) =>
    Effect.gen(function* () {
      const inference = yield* Inference
      const work = yield* JsonWork
      const streams = yield* EventStream
      const ids = yield* Ids
      yield* router.add("POST", path, (request) =>
        work(
          request,
          Effect.fnUntraced(function* (body, options) {
            const { generation, includeUsage, model, stream } = yield* Effect.fromResult(protocol.decode(body))
            const identity = {
              id: protocol.idPrefix + ids.next().replaceAll("-", ""),
              created: Math.floor((yield* Clock.currentTimeMillis) / 1000),
              asked: model
            }
            if (stream) {
              const framing = chunkFraming(protocol, identity, includeUsage)
              return yield* streams.respond(request, inference.stream(generation, options), framing)
            }
            const answer = yield* inference.complete(generation, options)
            return HttpServerResponse.jsonUnsafe(wholeBody(protocol, identity, answer))
          })
        )
      )
    })
  )

/** A chat's next turn, and a text's continuation. */
export const generationRoutes = Layer.merge(
  generationRoute("/v1/chat/completions", chat),
  generationRoute("/v1/completions", text)
)
