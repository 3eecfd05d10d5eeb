import * as Effect from "effect/Effect"
import * as Answer from "./Answer.ts"
import { errorsOf } from "./ErrorAnswer.ts"
import type { Entrance } from "./GenerationRequest.ts"
import { makeGenerationRoute } from "./GenerationRoute.ts"
import type { Incoming, Parts } from "./Incoming.ts"
import { makeSideRoutes } from "./SideRoutes.ts"

const entrances: ReadonlyArray<readonly [string, Entrance]> = [
  ["/api/v1/generate", { endpoint: "generate", streams: false }],
  ["/api/latest/generate", { endpoint: "generate", streams: false }],
  ["/api/extra/generate/stream", { endpoint: "generate", streams: true }],
  ["/v1/chat/completions", { endpoint: "chat", streams: false }],
  ["/v1/completions", { endpoint: "completion", streams: false }]
]

/**
 * Answers a request as the real server does. A path counts by its end, so that any prefix will do, and slashes at the
 * end don't matter.
 */
export const makeRoutes = (parts: Parts) => {
  const { engine, ledger, options } = parts
  const generation = makeGenerationRoute(parts)
  const side = makeSideRoutes(parts)

  const post = (incoming: Incoming): Effect.Effect<Answer.Answer> => {
    // A query makes a path unknown here: nothing ends with it.
    const path = incoming.url.replace(/\/+$/, "")
    const aside = side.post.find(([end]) => path.endsWith(end))
    if (aside !== undefined) {
      const [, handle] = aside
      return handle(incoming)
    }
    const entrance = entrances.find(([end]) => path.endsWith(end))?.[1]
    if (entrance !== undefined) return generation(entrance, incoming)
    // The server looks at the path only once it has the model.
    return engine.lock
      .withTurn(Effect.succeed(Answer.unknownPost))
      .pipe(Effect.catchTag("Busy", () => Effect.succeed(errorsOf(options.dialect).busy)))
  }

  const get = (incoming: Incoming): Effect.Effect<Answer.Answer> => {
    const url = options.dialect === "1.76" ? incoming.url : incoming.url.replace(/\?.*$/, "")
    const path = url.replace(/\/+$/, "")
    const route = side.get.find(([end]) => path.endsWith(end))
    return route === undefined ? Effect.succeed(Answer.unknownGet(options.dialect)) : route[1](incoming)
  }

  return (incoming: Incoming): Effect.Effect<Answer.Answer> =>
    Effect.andThen(
      ledger.request,
      Effect.suspend(() => {
        switch (incoming.method) {
          case "GET":
            return get(incoming)
          case "POST":
            return post(incoming)
          case "HEAD":
          case "OPTIONS":
            return Effect.succeed(Answer.emptyOk)
          default:
            return Effect.succeed(Answer.unsupportedMethod(incoming.method))
        }
      })
    )
}
