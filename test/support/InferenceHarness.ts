import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { Backends } from "../../src/services/Backends.ts"
import { Ids } from "../../src/services/Ids.ts"
import { type EventOptions, Inference } from "../../src/services/Inference.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { RetryBudget } from "../../src/services/RetryBudget.ts"
import { Settings } from "../../src/services/Settings.ts"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { fakeBackend, type Outcome } from "./FakeBackend.ts"

/** Jitter in the middle of its range, so that waits are exactly what the schedule says. */
export const withoutJitter = Effect.provideService(Random.Random, {
  nextDoubleUnsafe: () => 0.5,
  nextIntUnsafe: () => 0
})

/** The whole of an inference, above a backend in memory. */
export const inferenceAbove = Effect.fnUntraced(function* (
  script: Readonly<Record<string, ReadonlyArray<Outcome>>>,
  settings: Readonly<Record<string, string>> = {}
) {
  const backend = fakeBackend(script)
  const context = yield* Layer.build(
    Inference.layer.pipe(
      Layer.provideMerge(Layer.merge(RetryBudget.layer, WaitingLine.layer)),
      Layer.provideMerge(backend.layer),
      Layer.provideMerge(Layer.merge(Metrics.layer, Ids.layer)),
      Layer.provide(Settings.layerRecord(settings))
    )
  )
  const inference = Context.get(context, Inference)
  return {
    backend,
    context,
    line: Context.get(context, WaitingLine),
    breaker: Context.get(context, Backends).lanes()[0].breaker,
    metrics: Context.get(context, Metrics),
    ask: (event: unknown = { content: "p" }, options?: EventOptions) => withoutJitter(inference.onEvent(event, options))
  }
})
