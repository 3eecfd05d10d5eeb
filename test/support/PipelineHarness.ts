import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PromptExtractionFailed } from "../../src/domain/Failure.ts"
import { Inference } from "../../src/services/Inference.ts"
import { InferencePipeline } from "../../src/services/InferencePipeline.ts"

type OnEvent = Inference["Service"]["onEvent"]

/** The pipeline above an inference that does as the test says, which counts what it has in hand. */
export const pipelineAbove = Effect.fnUntraced(function* (onEvent: OnEvent) {
  const counts = { inHand: 0, most: 0, asked: 0, interrupted: 0 }
  const counted: OnEvent = (event, options) =>
    Effect.suspend(() => {
      counts.asked += 1
      counts.inHand += 1
      counts.most = Math.max(counts.most, counts.inHand)
      return onEvent(event, options)
    }).pipe(
      Effect.onInterrupt(() => Effect.sync(() => counts.interrupted++)),
      Effect.ensuring(Effect.sync(() => counts.inHand--))
    )
  const context = yield* Layer.build(
    InferencePipeline.layer.pipe(Layer.provide(Layer.mock(Inference)({ onEvent: counted })))
  )
  return { pipeline: Context.get(context, InferencePipeline), counts }
})

export const completed = (id: string | number = "new") => ({ id, text: "done", backend: "fake", endpoint: "chat" })

/** Answers after as many milliseconds as the event says; without a prompt it fails. */
export const slowly: OnEvent = (event) => {
  const { id, millis = 0, poison = false } = event as { id?: number; millis?: number; poison?: boolean }
  return Effect.delay(poison ? Effect.fail(new PromptExtractionFailed()) : Effect.succeed(completed(id)), millis)
}

export const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** The same above the whole of an inference. */
export const pipelineOf = (context: Context.Context<Inference>) =>
  Effect.map(Layer.build(Layer.provide(InferencePipeline.layer, Layer.succeedContext(context))), (built) =>
    Context.get(built, InferencePipeline)
  )
