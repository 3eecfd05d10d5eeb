import { decodeTextRequest } from "../../domain/OpenAiRequest.ts"
import type { Protocol } from "./Protocol.ts"

const choice = (text: string, finishReason: string | null) => ({
  text,
  index: 0,
  logprobs: null,
  finish_reason: finishReason
})

/** `POST /v1/completions` */
export const text: Protocol = {
  decode: decodeTextRequest,
  idPrefix: "cmpl-",
  whole: "text_completion",
  chunk: "text_completion",
  choice: ({ finishReason = "stop", text }) => choice(text, finishReason),
  opening: undefined,
  piece: ({ text }) => choice(text, null),
  ending: (finishReason) => choice("", finishReason)
}
