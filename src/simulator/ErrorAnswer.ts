import * as Answer from "./Answer.ts"
import type { Refusal } from "./GenerationRequest.ts"
import type { Dialect } from "./Options.ts"

/** How a server says no. */
export interface ErrorAnswers {
  /** To a body that it can't use. */
  readonly refusals: Readonly<Record<Refusal, Answer.Answer>>
  readonly unauthorized: Answer.Answer
  readonly busy: Answer.Answer
  readonly tooBig: Answer.Answer
  /** Any other status. */
  readonly status: (status: number) => Answer.Answer
}

/** How a server of that dialect says no. */
export const errorsOf = (dialect: Dialect): ErrorAnswers => (dialect === "openai" ? openAi : koboldCpp)

const busy = Answer.jsonError(503, {
  detail: { msg: "Server is busy; please try again later.", type: "service_unavailable" }
})

const koboldCpp: ErrorAnswers = {
  refusals: {
    "bad input": Answer.jsonError(500, { detail: { msg: "Error parsing input.", type: "bad_input" } }),
    // What a prompt that the server can't use gets: a 200 all the same.
    null: Answer.json(null),
    // Its head is written by then.
    silence: { _tag: "Stall" },
    "hang up": { _tag: "HangUp" }
  },
  unauthorized: Answer.unauthorized,
  busy,
  tooBig: Answer.jsonError(500, {
    detail: { msg: "Payload is too big. Max payload size is 32MB.", type: "bad_input" }
  }),
  status: (status) => {
    if (status === 401) return Answer.unauthorized
    if (status === 404) return Answer.unknownPost
    if (status === 503) return busy
    return Answer.jsonError(status, { detail: { msg: `Simulated status ${status}.`, type: "simulated" } })
  }
}

/** As llama.cpp's server words them; OpenAI's own has no number in its code. */
const openAiError = (code: number, message: string, type: string): Answer.Answer => ({
  _tag: "Send",
  reply: { ...Answer.jsonReply({ error: { code, message, type } }), status: code }
})

const badRequest = openAiError(400, "The request is not understood.", "invalid_request_error")

const openAi: ErrorAnswers = {
  refusals: { "bad input": badRequest, null: badRequest, silence: badRequest, "hang up": badRequest },
  unauthorized: openAiError(401, "Invalid API Key", "authentication_error"),
  busy: openAiError(503, "No slot available", "unavailable_error"),
  tooBig: openAiError(413, "Payload Too Large", "invalid_request_error"),
  status: (status) => {
    if (status === 401) return openAi.unauthorized
    if (status === 404) return openAiError(404, "File Not Found", "not_found_error")
    if (status === 503) return openAiError(503, "Loading model", "unavailable_error")
    return openAiError(status, `Simulated status ${status}.`, status < 500 ? "invalid_request_error" : "server_error")
  }
}
