import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { BackendError } from "../domain/BackendError.ts"
import { Backends } from "./Backends.ts"
import type { BackendModel, InferenceBackend } from "./InferenceBackend.ts"
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
      const { lanes } = yield* Backends
      /** Those of the backends that answer; the error of the first, if none does. */
      const models = Effect.gen(function* () {
        const told = yield* Effect.forEach(lanes(), ({ backend }) => Effect.result(namedModels(backend)), {
          concurrency: "unbounded"
        })
        const [first] = told
        const lists = told.filter(Result.isSuccess).map(({ success }) => success)
        if (lists.length === 0 && first !== undefined) return yield* Effect.fromResult(first)
        return [...byId(lists.flat()).values()]
      })
      return Models.of({ list: withMonotonicTime(yield* Effect.cachedWithTTL(models, timeToLive)) })
    })
  )
}

/** The first of each name. A proxy lists thousands, and looking for each among all others could take minutes. */
const byId = (models: ReadonlyArray<BackendModel>): ReadonlyMap<string, BackendModel> => {
  const named = new Map<string, BackendModel>()
  for (const model of models) if (!named.has(model.id)) named.set(model.id, model)
  return named
}

/** A model that nobody claims belongs to whoever runs it. */
const namedModels = ({ models, name }: InferenceBackend) =>
  Effect.map(models, (list) => list.map((model) => ({ ownedBy: name, ...model })))
