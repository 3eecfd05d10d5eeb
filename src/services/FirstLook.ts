import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BackendError } from "../domain/BackendError.ts"
import { Backends } from "./Backends.ts"
import type { InferenceBackend } from "./InferenceBackend.ts"
import { Settings } from "./Settings.ts"

/**
 * Tells whoever starts the service, in its log, what they would otherwise learn from its first request: which backends
 * answer, what keeps the others from it, and that the door stands open. It changes nothing: a backend may come later.
 */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { lanes } = yield* Backends
    const { authTokenFile, authTokens, host } = yield* Settings
    if (authTokenFile === undefined && authTokens === undefined && !isLoopback(host)) {
      yield* Effect.logWarning(
        `AI_TICKET_HOST is ${host} and no token is set: whoever reaches this port is let in. AI_TICKET_AUTH_TOKEN sets one.`
      )
    }
    // Nobody waits for it: a silent backend takes its time.
    yield* Effect.forkScoped(
      Effect.forEach(lanes(), ({ backend }) => lookAt(backend), { concurrency: "unbounded", discard: true })
    )
  })
)

/** What a backend runs is the one question that finds out a wrong address, a wrong key and a wrong kind. */
const lookAt = (backend: InferenceBackend) => {
  const { name, url } = backend
  const where = url === undefined ? name : `${name} at ${url}`
  return Effect.matchEffect(backend.models, {
    onFailure: (error) =>
      Effect.logWarning(`Backend ${where} can't be used yet: ${error.reason}.${hint(backend, error)}`),
    onSuccess: () => Effect.logInfo(`Backend ${where} answers`)
  })
}

/** What to look at first, where the server is there but isn't what its settings say. */
const hint = ({ native }: InferenceBackend, { code }: BackendError): string => {
  if (code === "api_connection_error" || code === "api_server_error") return ""
  if (code === "api_authentication_error") return " It wants another key."
  return native === undefined
    ? " Most of these servers want a url that ends with /v1."
    : " Is it a KoboldCpp? Other servers stand in AI_TICKET_CONFIG, with kind: openai."
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || host.startsWith("127.")
