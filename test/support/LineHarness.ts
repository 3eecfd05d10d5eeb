import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Metrics } from "../../src/services/Metrics.ts"
import { Settings } from "../../src/services/Settings.ts"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { Fellows } from "../../src/services/workers/Fellows.ts"
import { fakeBackend } from "./FakeBackend.ts"
import { fellowsOf } from "./SharedLine.ts"

/** Whose line it is: this process's, or one that several workers share. */
export const gates = ["own", "shared"] as const

/** A waiting line, and what it says of itself. */
export const lineWith = Effect.fnUntraced(function* (
  size: { readonly slots: number; readonly queueLimit: number },
  gate: (typeof gates)[number] = "own"
) {
  const settings = { AI_TICKET_SLOTS: String(size.slots), AI_TICKET_QUEUE_LIMIT: String(size.queueLimit) }
  const context = yield* Layer.build(
    WaitingLine.layer.pipe(
      Layer.provide(Layer.succeed(Fellows)(gate === "own" ? undefined : fellowsOf())),
      Layer.provide(fakeBackend({}).layer),
      Layer.provideMerge(Metrics.layer),
      Layer.provide(Settings.layerRecord(settings))
    )
  )
  const whole = Context.get(context, WaitingLine)
  const line = {
    ...whole,
    withSlot: <A, E, R>(self: Effect.Effect<A, E, R>) =>
      whole.withSlot(
        () => 1,
        () => self
      )
  }
  return { context, line, state: Effect.all({ waiting: line.waiting, inUse: line.inUse }) }
})
