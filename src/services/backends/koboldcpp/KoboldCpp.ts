import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { Ids } from "../../Ids.ts"
import type { BackendStatus, BackendTarget, Endpoint, InferenceBackend } from "../../InferenceBackend.ts"
import { Fellows } from "../../workers/Fellows.ts"
import { noteGeneration } from "../../workers/RemoteGate.ts"
import { type AttemptParts, makeAttempt } from "../Attempt.ts"
import { makeModels } from "../ModelList.ts"
import { makeBegin } from "../StreamAttempt.ts"
import { Transport } from "../Transport.ts"
import type { WireEndpoint } from "../Wire.ts"
import { makeAbort } from "./KoboldCppAbort.ts"
import { makeFacts } from "./KoboldCppFacts.ts"
import { readPerfQueue, wireEndpoints } from "./KoboldCppWire.ts"

/** How long a status call may take: KoboldCpp answers at once, busy or not. */
const statusTimeout = "2 seconds"

/**
 * KoboldCpp, as it behaves rather than as an HTTP API ought to.
 *
 * It doesn't notice a client that leaves, and goes on generating while everybody waits. So each attempt carries a
 * `genkey` of its own, and an attempt that nobody waits for any more is aborted by that key, before the next request
 * may use the slot.
 */
export const make = Effect.fnUntraced(function* (to: BackendTarget) {
  const { connectMillis, key, model, name, silenceMillis, url } = to
  const ids = yield* Ids
  const fellows = yield* Fellows
  const transport = yield* Transport
  const headers = key === undefined ? {} : { authorization: `Bearer ${Redacted.value(key)}` }
  const target = { base: url, connectMillis }
  const callTo = (path: string, body?: object) =>
    body === undefined
      ? { method: "GET" as const, target, path, headers }
      : { method: "POST" as const, target, path, headers, body }

  const abort = yield* makeAbort(name, (path, body) => transport.call(callTo(path, body)))
  const parts: AttemptParts = {
    backend: name,
    callTo,
    transport,
    silenceMillis,
    identify: (body, slot) => {
      const genkey = `ai-ticket-${ids.next()}`
      if (fellows !== undefined) noteGeneration(fellows, slot, genkey)
      return { body: { ...body, genkey }, abort: (delivered) => abort(genkey, delivered) }
    }
  }
  const makeEndpoint = (plain: WireEndpoint): Endpoint => {
    const wire = model === undefined ? plain : askingFor(model, plain)
    return {
      name: wire.name,
      serves: wire.serves,
      attempt: makeAttempt(parts, wire),
      begin: makeBegin(parts, wire)
    }
  }

  const [first, ...rest] = wireEndpoints
  return {
    ...{ name, url, provider: "koboldcpp" },
    endpoints: [makeEndpoint(first), ...rest.map(makeEndpoint)],
    abandon: (genkey) => abort(genkey),
    native: makeFacts(name, (path, body) => transport.call(callTo(path, body))),
    models: makeModels(name, transport.call(callTo("/api/v1/models"))),
    status: transport.call(callTo("/api/extra/perf")).pipe(
      Effect.timeout(statusTimeout),
      Effect.match({
        onFailure: (): BackendStatus => ({ reachable: false }),
        onSuccess: ({ status, text }): BackendStatus => {
          // A proxy in front of a dead backend answers too.
          if (status >= 500) return { reachable: false }
          const queue = Result.getOrUndefined(Result.try(() => readPerfQueue(JSON.parse(text))))
          return queue === undefined ? { reachable: true } : { reachable: true, queue }
        }
      })
    )
  } satisfies InferenceBackend
})

/** The same endpoint, asked for one model whatever a request says. */
const askingFor = (model: string, wire: WireEndpoint): WireEndpoint => ({
  ...wire,
  body: (request) => {
    const body = wire.body(request)
    return body === undefined ? undefined : { ...body, model }
  }
})
