import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { defaultSampling } from "../../src/domain/SamplingParameters.ts"
import * as KoboldCpp from "../../src/services/backends/koboldcpp/KoboldCpp.ts"
import { Transport } from "../../src/services/backends/Transport.ts"
import { Ids } from "../../src/services/Ids.ts"
import type { GenerationRequest } from "../../src/services/InferenceBackend.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { Settings } from "../../src/services/Settings.ts"
import { Slot } from "../../src/services/WaitingLine.ts"
import type { EndpointName } from "./ScriptedBackend.ts"

export const plainRequest = { _tag: "Prompt", prompt: "p", parameters: defaultSampling } as const

/** The adapter, talking to whatever listens at the url. */
export const koboldCppAt = Effect.fnUntraced(function* (url: string, settings: Readonly<Record<string, string>> = {}) {
  const context = yield* Layer.build(
    Transport.layer.pipe(
      Layer.provideMerge(Layer.merge(Metrics.layer, Ids.layer)),
      Layer.provideMerge(Settings.layerRecord({ KOBOLDCPP_API_URL: url, ...settings }))
    )
  )
  const { koboldcppApiKey: key, koboldcppApiUrl } = Context.get(context, Settings)
  const backend = yield* Effect.provideContext(
    KoboldCpp.make({ name: "koboldcpp", url: koboldcppApiUrl[0], key }),
    context
  )
  /** One attempt with a slot of its own, which is given back when it ends. */
  const attempt = (name: EndpointName, request: GenerationRequest = plainRequest) =>
    Effect.scopedWith((scope) =>
      Effect.gen(function* () {
        const slot = yield* Scope.fork(scope)
        const endpoint = backend.endpoints.find((candidate) => candidate.name === name) ?? backend.endpoints[0]
        return yield* Effect.provideService(endpoint.attempt(request), Slot, slot)
      })
    )
  return { backend, attempt, metrics: Context.get(context, Metrics) }
})
