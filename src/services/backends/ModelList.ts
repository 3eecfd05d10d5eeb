import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { BackendError } from "../../domain/BackendError.ts"
import type { BackendModel } from "../InferenceBackend.ts"
import { failuresOf, isSuccess } from "./Attempt.ts"
import type { Answer, BrokenCall } from "./Transport.ts"

/** KoboldCpp answers at once, busy or not. */
const timeout = "2 seconds"

const Extra = Schema.optionalKey(Schema.Unknown)

const decodeModels = Schema.decodeUnknownResult(
  Schema.Struct({ data: Schema.Array(Schema.Struct({ id: Schema.NonEmptyString, created: Extra, owned_by: Extra })) })
)

/** What a KoboldCpp says it runs: one model, mostly, which it names even where its password should hide it. */
export const makeModels = (
  backend: string,
  call: Effect.Effect<Answer, BrokenCall>
): Effect.Effect<ReadonlyArray<BackendModel>, BackendError> => {
  const failures = failuresOf(backend, "models")
  const silent: BrokenCall = { reached: true, oversized: false, reason: `no answer within ${timeout}` }
  const read = (text: string) =>
    Result.try((): unknown => JSON.parse(text)).pipe(
      Result.mapError(() => failures.notJson),
      Result.flatMap((answer) => Result.mapError(decodeModels(answer), () => failures.shape))
    )
  return call.pipe(
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(silent) }),
    Effect.mapError(failures.broken),
    Effect.flatMap((answer) =>
      isSuccess(answer.status) ? Effect.fromResult(read(answer.text)) : failures.refused(answer)
    ),
    Effect.map(({ data }) =>
      data.map(({ created, id, owned_by: ownedBy }) => ({
        id,
        ...(Number.isSafeInteger(created) ? { created: Number(created) } : {}),
        ...(typeof ownedBy === "string" ? { ownedBy } : {})
      }))
    )
  )
}
