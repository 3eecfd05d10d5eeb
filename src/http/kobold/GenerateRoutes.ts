import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { either } from "../../services/Ending.ts"
import { type EventOptions, Inference } from "../../services/Inference.ts"
import { EventStream } from "../EventStream.ts"
import { JsonWork } from "../JsonWork.ts"
import { currentOwner, Generations } from "./Generations.ts"
import { generatePaths, streamPath } from "./KoboldPaths.ts"
import { nativeFraming, wholeAnswer } from "./NativeAnswer.ts"
import { readNative } from "./NativeRequest.ts"

/** KoboldCpp takes no notice of a request's content type. */
const asKoboldCpp = { anyContentType: true }

/** `POST /api/v1/generate`, under both of its names, and `POST /api/extra/generate/stream`. */
export const generateRoutes = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const inference = yield* Inference
    const generations = yield* Generations
    const streams = yield* EventStream
    const work = yield* JsonWork

    /**
     * The answer to a native request, known by its key. One that comes whole is generated as a stream too, so that there
     * is something to look at meanwhile, and to give back when it is aborted.
     */
    const answering = Effect.fnUntraced(function* (body: unknown, options: EventOptions) {
      const { genkey, request } = yield* Effect.fromResult(readNative(body))
      return generations.follow({ owner: yield* currentOwner, genkey }, (aborted) =>
        inference.stream(request, {
          ...options,
          ending: options.ending === undefined ? aborted : either(options.ending, aborted)
        })
      )
    })

    for (const path of generatePaths) {
      yield* router.add("POST", path, (request) =>
        work(
          request,
          (body, options) =>
            Effect.map(Effect.flatMap(answering(body, options), wholeAnswer), HttpServerResponse.jsonUnsafe),
          asKoboldCpp
        )
      )
    }
    yield* router.add("POST", streamPath, (request) =>
      work(
        request,
        (body, options) =>
          Effect.flatMap(answering(body, options), (parts) => streams.respond(request, parts, nativeFraming)),
        asKoboldCpp
      )
    )
  })
)
