import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Answer from "./Answer.ts"
import { errorsOf } from "./ErrorAnswer.ts"
import type { Entrance } from "./GenerationRequest.ts"
import { makeGenerationRoute } from "./GenerationRoute.ts"
import type { Incoming, Parts } from "./Incoming.ts"

const entrances = new Map<string, Entrance>([
  ["/v1/chat/completions", { endpoint: "chat", streams: false }],
  ["/v1/completions", { endpoint: "completion", streams: false }]
])

/** Answers as a plain server of OpenAI's protocol: these paths and no others, and none of KoboldCpp's own. */
export const makeOpenAiRoutes = (parts: Parts) => {
  const { ledger, options } = parts
  const generation = makeGenerationRoute(parts)
  const absent = Effect.succeed(errorsOf(options.dialect).status(404))

  const models = Effect.map(Clock.currentTimeMillis, (now) => {
    const model = { id: options.model, object: "model", created: Math.floor(now / 1000), owned_by: "llamacpp" }
    return Answer.json({ object: "list", data: [model] })
  })

  const get = (path: string): Effect.Effect<Answer.Answer> => {
    // As llama.cpp's, they ask for no key.
    if (path === "/v1/models") return models
    return path === "/health" ? Effect.succeed(Answer.json({ status: "ok" })) : absent
  }

  const answer = (incoming: Incoming): Effect.Effect<Answer.Answer> => {
    const path = incoming.url.replace(/\?.*$/, "")
    if (incoming.method === "OPTIONS") return Effect.succeed(Answer.emptyOk)
    if (incoming.method === "GET" || incoming.method === "HEAD") return get(path)
    const entrance = incoming.method === "POST" ? entrances.get(path) : undefined
    return entrance === undefined ? absent : generation(entrance, incoming)
  }

  return (incoming: Incoming): Effect.Effect<Answer.Answer> => Effect.andThen(ledger.request, answer(incoming))
}
