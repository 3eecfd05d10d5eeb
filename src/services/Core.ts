import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Backends } from "./Backends.ts"
import * as KoboldCpp from "./backends/KoboldCpp.ts"
import { Transport } from "./backends/Transport.ts"
import { Ids } from "./Ids.ts"
import { Inference } from "./Inference.ts"
import { Metrics } from "./Metrics.ts"
import { RetryBudget } from "./RetryBudget.ts"
import { Settings } from "./Settings.ts"
import { WaitingLine } from "./WaitingLine.ts"

/** The backends that the settings name, in their order: the first is `koboldcpp`, the second `koboldcpp-2`. */
const backends = Backends.layer(
  Effect.gen(function* () {
    const { koboldcppApiKey: key, koboldcppApiUrl, slots } = yield* Settings
    const [first, ...rest] = koboldcppApiUrl
    const open = (url: string, at: number) =>
      Effect.map(KoboldCpp.make({ name: at === 0 ? "koboldcpp" : `koboldcpp-${at + 1}`, url, key }), (backend) => ({
        backend,
        slots
      }))
    return [yield* open(first, 0), ...(yield* Effect.forEach(rest, (url, at) => open(url, at + 1)))] as const
  })
).pipe(Layer.provide(Transport.layer))

/** Everything that an inference needs, from the settings on: what the library, the service and the tests build on. */
export const layer = Inference.layer.pipe(
  Layer.provideMerge(Layer.merge(RetryBudget.layer, WaitingLine.layer)),
  // Connections close last, after the aborts that still need them.
  Layer.provideMerge(backends),
  Layer.provideMerge(Layer.merge(Metrics.layer, Ids.layer))
)
