import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { BackendStatus, BackendTarget, Endpoint, InferenceBackend } from "../../InferenceBackend.ts"
import { type AttemptParts, makeAttempt } from "../Attempt.ts"
import { makeModels } from "../ModelList.ts"
import { makeBegin } from "../StreamAttempt.ts"
import { Transport } from "../Transport.ts"
import type { WireEndpoint } from "../Wire.ts"
import { endpointsAt } from "./OpenAiServerWire.ts"

/** How long a status call may take. */
const statusTimeout = "2 seconds"

/**
 * Any server that speaks OpenAI's protocol: llama.cpp's, vLLM, Ollama, LM Studio, TabbyAPI and their like.
 *
 * They generate in parallel, and stop when the connection closes: an abort is no call of its own.
 */
export const make = Effect.fnUntraced(function* (to: BackendTarget) {
  const { connectMillis, key, model, name, silenceMillis, url } = to
  const transport = yield* Transport
  const headers = key === undefined ? {} : { authorization: `Bearer ${Redacted.value(key)}` }
  const target = { base: url, connectMillis }
  const models = transport.call({ method: "GET", target, path: "/models", headers })
  const parts: AttemptParts = {
    backend: name,
    callTo: (path, body, leftMillis) => ({
      ...{ method: "POST", target, path, body },
      headers: { ...headers, ...timeLeft(leftMillis) }
    }),
    transport,
    silenceMillis,
    identify: (body) => ({ body, abort: () => Effect.void })
  }
  const makeEndpoint = (wire: WireEndpoint): Endpoint => ({
    name: wire.name,
    serves: wire.serves,
    attempt: makeAttempt(parts, wire),
    begin: makeBegin(parts, wire)
  })

  const [chat, completion] = endpointsAt(model)
  return {
    // The conventions' word for whatever speaks OpenAI's protocol and can't be told from it.
    ...{ name, url, provider: "openai" },
    endpoints: [makeEndpoint(chat), makeEndpoint(completion)],
    models: makeModels(name, models),
    status: models.pipe(
      Effect.timeout(statusTimeout),
      Effect.match({
        onFailure: (): BackendStatus => ({ reachable: false }),
        // A refused key is an answer too; a proxy's word that the server is gone is none.
        onSuccess: ({ status }): BackendStatus => ({ reachable: status < 500 })
      })
    )
  } satisfies InferenceBackend
})

/**
 * What is left of the request's time, in seconds, as another ai-ticket understands it. There is no standard for it, and
 * other servers pass over it.
 */
const timeLeft = (millis: number): Readonly<Record<string, string>> =>
  Number.isFinite(millis) ? { "x-request-timeout": (Math.max(1, Math.floor(millis)) / 1000).toFixed(3) } : {}
