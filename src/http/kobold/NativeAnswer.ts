import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { BackendError } from "../../domain/BackendError.ts"
import { errorBody, type InferenceFailure } from "../../domain/Failure.ts"
import type { AnswerPart, EndPart } from "../../domain/Generation.ts"
import type { Framing } from "../EventStream.ts"
import { koboldError } from "./KoboldFailure.ts"

/** The most characters of an answer that comes whole: what a backend's answer may have in bytes. */
const longestAnswer = 16 * 1024 * 1024

interface Whole {
  readonly text: string
  readonly end?: EndPart
  readonly backend: string
  readonly endpoint: string
}

/** An answer's parts as KoboldCpp's `results`. What a stream doesn't tell isn't told. */
export const wholeAnswer = (parts: Stream.Stream<AnswerPart, InferenceFailure>) =>
  Effect.map(
    Stream.runFoldEffect(parts, () => nothing, add),
    ({ end, text }) => ({
      results: [
        {
          text,
          tool_calls: [],
          finish_reason: end?.finishReason ?? null,
          logprobs: null,
          ...(end?.usage === undefined
            ? {}
            : { prompt_tokens: end.usage.promptTokens, completion_tokens: end.usage.completionTokens })
        }
      ]
    })
  )

const nothing: Whole = { text: "", backend: "none", endpoint: "none" }

const add = (whole: Whole, part: AnswerPart): Effect.Effect<Whole, BackendError> => {
  if (part._tag === "Start") return Effect.succeed({ ...whole, backend: part.backend, endpoint: part.endpoint })
  if (part._tag === "End") return Effect.succeed({ ...whole, end: part })
  const text = whole.text + part.text
  return text.length > longestAnswer ? Effect.fail(tooLarge(whole)) : Effect.succeed({ ...whole, text })
}

const tooLarge = ({ backend, endpoint }: Whole) =>
  new BackendError({
    ...{ code: "api_response_format_error", backend, endpoint, remedy: "give up" },
    reason: "its answer is larger than any answer should be"
  })

/** `/api/extra/generate/check`. */
export const checkedText = (text: string) => ({ results: [{ text }] })

/** An answer's parts as KoboldCpp's events, to the byte; its newer versions end a failed stream by a reason of its own. */
export const nativeFraming: Framing = {
  headers: {},
  part: (part) => {
    if (part._tag === "Start") return ""
    return part._tag === "Text" ? event(part.text, null) : event("", part.finishReason)
  },
  failure: (failure: InferenceFailure) => {
    const { detail } = koboldError(errorBody(failure))
    return `event: message\ndata: {"token": "", "finish_reason": "error", "detail": ${JSON.stringify(detail)}}\n\n`
  }
}

const event = (token: string, finishReason: string | null): string =>
  `event: message\ndata: {"token": ${JSON.stringify(token)}, "finish_reason": ${JSON.stringify(finishReason)}}\n\n`
