import type * as Result from "effect/Result"
import type { Completion } from "./Completion.ts"
import type { InferenceFailure } from "./Failure.ts"

/** What became of one event of a batch. */
export interface BatchResult {
  /** Which event it was, counted from 0. */
  readonly index: number
  /** The event's own id, or the one that its completion got; undefined for a failed event that has none. */
  readonly id: string | number | undefined
  readonly result: Result.Result<Completion, InferenceFailure>
}

/** A result as a line of JSON: what `POST /event` would answer, behind the event's place in the batch. */
export const resultLine = (index: number, id: string | number | undefined, body: object): string =>
  `${JSON.stringify({ index, id: id ?? null, ...body })}\n`
