import * as Answer from "./Answer.ts"
import type { ErrorAnswers } from "./ErrorAnswer.ts"
import type { Fault } from "./FaultStep.ts"
import type { StreamWire } from "./StreamWire.ts"

/** Whether a fault only spoils what the model gives; every other one stands in for the model. */
export const spoils = (fault: Fault, stream: boolean): boolean => {
  switch (fault.kind) {
    case "ok":
    case "drip":
    case "cut":
    case "end":
      return true
    case "garbage":
    case "error":
      return stream
    case "stall":
      return stream && fault.after !== undefined
    default:
      return false
  }
}

/** Sends an ordinary answer badly. */
export const spoil = (fault: Fault, answer: Answer.Answer): Answer.Answer => {
  if (answer._tag !== "Send") return answer
  if (fault.kind === "cut") return { ...answer, _tag: "Cut" }
  if (fault.kind === "end") return { ...answer, _tag: "End" }
  if (fault.kind === "drip") return { ...answer, _tag: "Drip", everyMillis: fault.everyMillis, bytes: fault.bytes }
  return answer
}

/** What can stand in for an answer, whole or streamed. */
export interface StandIns {
  readonly malformed: Answer.Reply
  readonly shape: Answer.Reply
  readonly null: Answer.Reply
  readonly empty: Answer.Reply
}

/** Stand-ins for an answer that would have come whole; `emptyBody` is one with an empty text. */
export const wholeStandIns = (emptyBody: unknown): StandIns => ({
  malformed: { ...Answer.jsonReply(null), body: '{"results": [{"text": "Simulated' },
  shape: Answer.jsonReply(otherShape),
  null: Answer.jsonReply(null),
  empty: Answer.jsonReply(emptyBody)
})

/** Stand-ins for a stream, each with one event and closed as if that were all. */
export const streamStandIns = (wire: StreamWire, nowSeconds: number): StandIns => {
  const stream = (body: string): Answer.Reply => ({ ...wire.head, body })
  return {
    malformed: stream(wire.garbage),
    shape: stream(wire.event(otherShape)),
    null: stream(wire.event(null)),
    empty: stream(wire.end({ text: "", reason: "stop", usage: usageOfNothing }, nowSeconds))
  }
}

const usageOfNothing = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }

const otherShape = { simulated: "JSON of another shape" }

/** The answer that stands in for the model's. `now` is in milliseconds since 1970, for a `Retry-After` as a date. */
export const standIn = (fault: Fault, replies: StandIns, errors: ErrorAnswers, now: number): Answer.Answer => {
  switch (fault.kind) {
    case "status":
      return statusAnswer(fault, errors, now)
    case "error":
      return errors.status(500)
    case "reset":
      return { _tag: "Reset" }
    case "close":
      return { _tag: "HangUp" }
    case "stall":
      return { _tag: "Stall" }
    case "malformed":
    case "garbage":
      return Answer.send(replies.malformed)
    case "shape":
      return Answer.send(replies.shape)
    case "null":
      return Answer.send(replies.null)
    default:
      return Answer.send(replies.empty)
  }
}

const statusAnswer = (fault: Extract<Fault, { kind: "status" }>, errors: ErrorAnswers, now: number): Answer.Answer => {
  const usual = withoutBody.has(fault.status) ? bare(fault.status) : errors.status(fault.status)
  if (usual._tag !== "Send") return usual
  const { body = usual.reply.body, retryAfter } = fault
  const headers =
    retryAfter === undefined
      ? usual.reply.headers
      : {
          ...usual.reply.headers,
          "retry-after":
            retryAfter.form === "seconds"
              ? `${retryAfter.seconds}`
              : new Date(now + retryAfter.seconds * 1000).toUTCString()
        }
  return Answer.send({ ...usual.reply, headers, body })
}

const withoutBody = new Set([204, 304])

const bare = (status: number) => Answer.send({ status, headers: {}, body: "", sized: false })
