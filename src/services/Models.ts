import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { BackendError } from "../domain/BackendError.ts"
import { type BackendModel, InferenceBackend } from "./InferenceBackend.ts"
import { withMonotonicTime } from "./MonotonicClock.ts"

/** How long an answer holds: models don't change by the second, and a backend that was down may be up again. */
const timeToLive = (exit: Exit.Exit<unknown, unknown>) => (Exit.isSuccess(exit) ? "5 seconds" : "1 second")

/** Which models there are. However often it is asked, the backend is asked once in a while. */
export class Models extends Context.Service<
  Models,
  {
    readonly list: Effect.Effect<ReadonlyArray<BackendModel>, BackendError>
  }
>()("ai-ticket/services/Models") {
  static readonly layer = Layer.effect(
    Models,
    Effect.gen(function* () {
      const { models } = yield* InferenceBackend
      return Models.of({ list: withMonotonicTime(yield* Effect.cachedWithTTL(models, timeToLive)) })
    })
  )
}
