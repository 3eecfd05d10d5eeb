import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { RouteEntry } from "../../src/domain/Configuration.ts"
import { Backends, type LaneOptions } from "../../src/services/Backends.ts"
import { CurrentRequest, RequestRecord } from "../../src/services/CurrentRequest.ts"
import { Ids } from "../../src/services/Ids.ts"
import { type EventOptions, Inference } from "../../src/services/Inference.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { RetryBudget } from "../../src/services/RetryBudget.ts"
import { Settings } from "../../src/services/Settings.ts"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { fakeBackend } from "./FakeBackend.ts"
import { withoutJitter } from "./InferenceHarness.ts"

/** A backend in memory, by a name of its own. */
export const named = (name: string, ...script: Parameters<typeof fakeBackend>) => {
  const fake = fakeBackend(...script)
  return { ...fake, backend: { ...fake.backend, name } }
}

/** An inference over several backends in memory. */
export const inferenceOver = Effect.fnUntraced(function* (
  lanes: readonly [LaneOptions, ...ReadonlyArray<LaneOptions>],
  routes: ReadonlyArray<RouteEntry> = [],
  settings: Readonly<Record<string, string>> = {}
) {
  const context = yield* Layer.build(
    Inference.layer.pipe(
      Layer.provideMerge(Layer.merge(RetryBudget.layer, WaitingLine.layer)),
      Layer.provideMerge(Backends.layer(Effect.succeed({ lanes, routes }))),
      Layer.provideMerge(Layer.merge(Metrics.layer, Ids.layer)),
      Layer.provide(Settings.layerRecord(settings))
    )
  )
  const inference = Context.get(context, Inference)
  return {
    inference,
    ask: (content: unknown = "p", options?: EventOptions) => withoutJitter(inference.onEvent({ content }, options)),
    stream: withoutJitter(Stream.runCollect(inference.streamEvent({ content: "p" }))),
    backends: Context.get(context, Backends),
    line: Context.get(context, WaitingLine),
    metrics: Context.get(context, Metrics)
  }
})

/** The record of a request that came over HTTP from that address, and a way to be it. */
export const from = (client: string) => {
  const record = new RequestRecord({ id: "id", traceId: "trace", client, startedAt: 0 })
  return { record, being: Effect.provideService(CurrentRequest, record) }
}
