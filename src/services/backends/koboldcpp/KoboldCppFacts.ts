import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { BackendError } from "../../../domain/BackendError.ts"
import { isJsonObject, type JsonObject } from "../../../domain/Prompt.ts"
import type { NativeFacts, NativeQuestion } from "../../InferenceBackend.ts"
import { failuresOf, isSuccess } from "../Attempt.ts"
import type { Answer, BrokenCall } from "../Transport.ts"

/** How long an answer may take: KoboldCpp answers these at once, busy or not. */
const answerTimeout = "2 seconds"

/** Questions at once of either kind: together they leave room beside the generations for aborts and the status. */
const atOnce = 3

/** Where a question is asked, and what counts as its answer. */
interface Inquiry {
  readonly path: string
  readonly read: (answer: JsonObject) => JsonObject | undefined
}

const word: Inquiry["read"] = ({ result }) => (typeof result === "string" ? { result } : undefined)
const length: Inquiry["read"] = ({ value }) => (Number.isFinite(value) ? { value } : undefined)

const inquiries: Record<NativeQuestion, Inquiry> = {
  model: { path: "/api/v1/model", read: word },
  apiVersion: { path: "/api/v1/info/version", read: word },
  version: {
    path: "/api/extra/version",
    read: (answer) => (typeof answer["version"] === "string" ? answer : undefined)
  },
  performance: { path: "/api/extra/perf", read: (answer) => answer },
  trueContextLength: { path: "/api/extra/true_max_context_length", read: length },
  contextLength: { path: "/api/v1/config/max_context_length", read: length },
  answerLength: { path: "/api/v1/config/max_length", read: length }
}

const count: Inquiry = {
  path: "/api/extra/tokencount",
  read: ({ ids, value }) => {
    if (!Number.isFinite(value)) return undefined
    return Array.isArray(ids) ? { value, ids } : { value }
  }
}

type Send = (path: string, body?: object) => Effect.Effect<Answer, BrokenCall>

/** What a KoboldCpp says of itself, and of a text. */
export const makeFacts = (backend: string, send: Send): NativeFacts => {
  const failures = failuresOf(backend, "info")
  const late = failures.failure("api_connection_error", "retry", `no answer within ${answerTimeout}`)
  const asking = Semaphore.makeUnsafe(atOnce)
  const counting = Semaphore.makeUnsafe(atOnce)

  const read = (inquiry: Inquiry, text: string) =>
    Result.try((): unknown => JSON.parse(text)).pipe(
      Result.mapError(() => failures.notJson),
      Result.flatMap((answer) =>
        Result.fromNullishOr(isJsonObject(answer) ? inquiry.read(answer) : undefined, () => failures.shape)
      )
    )

  const ask = (inquiry: Inquiry, body?: object) =>
    Effect.flatMap(Effect.mapError(send(inquiry.path, body), failures.broken), (answer) =>
      isSuccess(answer.status) ? Effect.fromResult(read(inquiry, answer.text)) : failures.refused(answer)
    )

  const inTime = (self: Effect.Effect<JsonObject, BackendError>) =>
    Effect.timeoutOrElse(self, { duration: answerTimeout, orElse: () => Effect.fail(late) })

  return {
    info: (question) => inTime(asking.withPermit(ask(inquiries[question]))),
    // Whoever counts a whole chat may wait longer than for one answer.
    countTokens: (fields) => counting.withPermit(inTime(ask(count, fields)))
  }
}
