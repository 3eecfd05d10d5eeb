import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Breaker } from "./Breaker.ts"
import * as KoboldCpp from "./backends/KoboldCpp.ts"
import { Transport } from "./backends/Transport.ts"
import { Ids } from "./Ids.ts"
import { Inference } from "./Inference.ts"
import { InferenceBackend } from "./InferenceBackend.ts"
import { Metrics } from "./Metrics.ts"
import { RetryBudget } from "./RetryBudget.ts"
import { WaitingLine } from "./WaitingLine.ts"

/** Connections close last, after the aborts that still need them. */
const backend = KoboldCpp.layer.pipe(Layer.provide(Transport.layer))

/** The counters of a backend that nobody has asked yet. */
const announced = Layer.effectDiscard(
  Effect.gen(function* () {
    const { endpoints, name } = yield* InferenceBackend
    const metrics = yield* Metrics
    metrics.announce(
      name,
      endpoints.map((endpoint) => endpoint.name)
    )
  })
)

/** Everything that an inference needs, from the settings on: what the library, the service and the tests build on. */
export const layer = Inference.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Breaker.layer, RetryBudget.layer, WaitingLine.layer, announced)),
  Layer.provideMerge(backend),
  Layer.provideMerge(Layer.merge(Metrics.layer, Ids.layer))
)
