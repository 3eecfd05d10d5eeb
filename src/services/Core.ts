import * as Layer from "effect/Layer"
import { initialPlan } from "./BackendPlan.ts"
import { Backends } from "./Backends.ts"
import { Transport } from "./backends/Transport.ts"
import * as ConfigReload from "./ConfigReload.ts"
import { Ids } from "./Ids.ts"
import { Inference } from "./Inference.ts"
import { Metrics } from "./Metrics.ts"
import { RetryBudget } from "./RetryBudget.ts"
import { WaitingLine } from "./WaitingLine.ts"

/** Connections close last, after the aborts that still need them. */
const backends = ConfigReload.layer.pipe(
  Layer.provideMerge(Backends.layer(initialPlan)),
  Layer.provide(Transport.layer)
)

/** Everything that an inference needs, from the settings on: what the library, the service and the tests build on. */
export const layer = Inference.layer.pipe(
  Layer.provideMerge(Layer.merge(RetryBudget.layer, WaitingLine.layer)),
  Layer.provideMerge(backends),
  Layer.provideMerge(Layer.merge(Metrics.layer, Ids.layer))
)
