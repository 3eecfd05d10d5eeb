import { decodeChatRequest } from "../../domain/OpenAiRequest.ts"
import { isJsonObject } from "../../domain/Prompt.ts"
import type { Protocol } from "./Protocol.ts"

const chunkChoice = (delta: object, finishReason: string | null = null) => ({
  index: 0,
  delta,
  logprobs: null,
  finish_reason: finishReason
})

/** Clients put the pieces of a call together by its index, which a backend that doesn't stream its calls leaves out. */
const indexed = (call: unknown, index: number): unknown => (isJsonObject(call) ? { index, ...call } : call)

/** `POST /v1/chat/completions` */
export const chat: Protocol = {
  decode: decodeChatRequest,
  idPrefix: "chatcmpl-",
  whole: "chat.completion",
  chunk: "chat.completion.chunk",
  choice: ({ finishReason = "stop", text, toolCalls }) => ({
    index: 0,
    message: {
      role: "assistant",
      // Who calls a tool often says nothing.
      content: text === "" && toolCalls !== undefined ? null : text,
      refusal: null,
      ...(toolCalls === undefined ? {} : { tool_calls: toolCalls })
    },
    logprobs: null,
    finish_reason: finishReason
  }),
  opening: chunkChoice({ role: "assistant", content: "" }),
  piece: ({ text, toolCalls }) =>
    chunkChoice({
      ...(text === "" ? {} : { content: text }),
      ...(toolCalls === undefined ? {} : { tool_calls: toolCalls.map(indexed) })
    }),
  ending: (finishReason) => chunkChoice({}, finishReason)
}
