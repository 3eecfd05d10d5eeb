import * as Answer from "./Answer.ts"
import type { Fault } from "./FaultStep.ts"

/** Whether a fault only spoils the way an ordinary answer is sent; every other one stands in for the model. */
export const spoilsDelivery = (fault: Fault): boolean =>
  fault.kind === "ok" || fault.kind === "cut" || fault.kind === "drip"

/** Sends an ordinary answer badly. */
export const spoil = (fault: Fault, answer: Answer.Answer): Answer.Answer => {
  if (answer._tag !== "Send") return answer
  if (fault.kind === "cut") return { ...answer, _tag: "Cut" }
  if (fault.kind === "drip") return { ...answer, _tag: "Drip", everyMillis: fault.everyMillis, bytes: fault.bytes }
  return answer
}

/**
 * The answer that stands in for the model's, whose body with an empty text is `emptyBody`. `now` is in milliseconds
 * since 1970, for a `Retry-After` in the form of a date.
 */
export const standIn = (fault: Fault, emptyBody: unknown, now: number): Answer.Answer => {
  switch (fault.kind) {
    case "status":
      return statusAnswer(fault, now)
    case "reset":
      return { _tag: "Reset" }
    case "close":
      return { _tag: "HangUp" }
    case "stall":
      return { _tag: "Stall" }
    case "malformed":
      return Answer.send({ ...Answer.jsonReply(null), body: '{"results": [{"text": "Simulated' })
    case "shape":
      return Answer.json({ simulated: "JSON of another shape" })
    case "null":
      return Answer.nothing
    default:
      return Answer.json(emptyBody)
  }
}

const statusAnswer = (fault: Extract<Fault, { kind: "status" }>, now: number): Answer.Answer => {
  const usual = usualAnswers.get(fault.status) ?? otherStatus(fault.status)
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

/** The statuses for which the real server has a body of its own. */
const usualAnswers = new Map([
  [401, Answer.unauthorized],
  [404, Answer.unknownPost],
  [503, Answer.busy]
])

const otherStatus = (status: number) =>
  status === 204 || status === 304
    ? Answer.send({ status, headers: {}, body: "", sized: false })
    : Answer.jsonError(status, { detail: { msg: `Simulated status ${status}.`, type: "simulated" } })
