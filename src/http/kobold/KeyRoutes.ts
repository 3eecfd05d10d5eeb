import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { currentOwner, Generations } from "./Generations.ts"
import { checkedText } from "./NativeAnswer.ts"
import { readKey } from "./NativeRequest.ts"
import { sideBody } from "./SideBody.ts"

const keyInBody = Effect.flatMap(sideBody, (fields) => Effect.fromResult(readKey(fields)))

const check = Effect.fnUntraced(function* (genkey: string) {
  const generations = yield* Generations
  const text = yield* generations.textOf({ owner: yield* currentOwner, genkey })
  return HttpServerResponse.jsonUnsafe(checkedText(text))
})

/** Its answers are words, as KoboldCpp's are. */
const abort = Effect.fnUntraced(function* (genkey: string) {
  const generations = yield* Generations
  const word = String(yield* generations.abort({ owner: yield* currentOwner, genkey }))
  return HttpServerResponse.jsonUnsafe({ success: word, done: word })
})

/** What a client may ask about its own generations: `/api/extra/generate/check` and `/api/extra/abort`. */
export const keyRoutes = Layer.mergeAll(
  HttpRouter.add("GET", "/api/extra/generate/check", check("")),
  HttpRouter.add("POST", "/api/extra/generate/check", Effect.flatMap(keyInBody, check)),
  HttpRouter.add("POST", "/api/extra/abort", Effect.flatMap(keyInBody, abort))
)
