import * as Result from "effect/Result"
import {
  InvalidInputFormat,
  type InvalidParameter,
  InvalidRequest,
  MissingContentField,
  PromptExtractionFailed
} from "./Failure.ts"
import { extractContent, isJsonObject } from "./Prompt.ts"
import { decodeSampling, type SamplingParameters } from "./SamplingParameters.ts"
import { whyNotSendable } from "./Sendable.ts"

/** An event, normalised: the prompt and how to sample, whatever shape it came in. */
export interface InferenceEvent {
  /** The caller's own name for the event, given back with the answer. */
  readonly id?: string | number
  readonly prompt: string
  readonly parameters: SamplingParameters
}

export type EventFailure =
  | InvalidInputFormat
  | MissingContentField
  | PromptExtractionFailed
  | InvalidParameter
  | InvalidRequest

/**
 * Decodes an event as it was sent: a JSON object with a `content` field.
 *
 * Parameters stand beside the prompt in `content`, or beside `content`; the inner one wins.
 */
export const decodeEvent = (input: unknown): Result.Result<InferenceEvent, EventFailure> => {
  if (!isJsonObject(input)) return Result.fail(new InvalidInputFormat())
  if (!Object.hasOwn(input, "content")) return Result.fail(new MissingContentField())
  const { object, prompt } = extractContent(input["content"])
  if (prompt === undefined) return Result.fail(new PromptExtractionFailed())
  return Result.flatMap(
    decodeSampling(object === undefined ? [input] : [object, input]),
    (parameters): Result.Result<InferenceEvent, InvalidRequest> => {
      // Of what goes to the backend: the rest of an event may be as it likes.
      const problem = whyNotSendable({ prompt, parameters })
      if (problem !== undefined) return Result.fail(new InvalidRequest({ details: problem }))
      const id = eventId(input)
      return Result.succeed({ ...(id === undefined ? {} : { id }), prompt, parameters })
    }
  )
}

/** The sender's own name for an event, whatever else is wrong with it: a number, or a string that isn't empty. */
export const eventId = (input: unknown): string | number | undefined => {
  const id = isJsonObject(input) ? input["id"] : undefined
  return isEventId(id) ? id : undefined
}

/**
 * Whether an event asks for its answer as it is generated: `"stream": true`, beside `content` or in it. Anything else by
 * that name is the sender's own affair.
 */
export const wantsStream = (input: unknown): boolean =>
  isJsonObject(input) &&
  (input["stream"] === true || (isJsonObject(input["content"]) && input["content"]["stream"] === true))

const isEventId = (id: unknown): id is string | number => (typeof id === "string" && id !== "") || Number.isFinite(id)
