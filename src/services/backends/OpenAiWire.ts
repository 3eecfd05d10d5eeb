import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { SamplingParameters } from "../../domain/SamplingParameters.ts"
import { Extra, firstOf, generation, someOf, streamEvent, type WireFormat } from "./Wire.ts"

const openAiSampling = ({ maxTokens, model, seed, stop, temperature, topK, topP }: SamplingParameters) => ({
  max_tokens: maxTokens,
  temperature,
  top_p: topP,
  top_k: topK,
  stop,
  seed,
  model
})

/** What a model says when it calls a tool instead of saying something. */
const Said = Schema.Struct({ content: Schema.optionalKey(Schema.NullOr(Schema.String)), tool_calls: Extra })

const decodeChat = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: firstOf(Schema.Struct({ message: Said, finish_reason: Extra })),
    model: Extra,
    usage: Extra
  })
)

const decodeCompletion = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: firstOf(Schema.Struct({ text: Schema.String, finish_reason: Extra })),
    model: Extra,
    usage: Extra
  })
)

const decodeChatEvent = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: Schema.Array(Schema.Struct({ delta: Schema.optionalKey(Said), finish_reason: Extra })),
    model: Extra,
    usage: Extra
  })
)

const decodeCompletionEvent = Schema.decodeUnknownResult(
  Schema.Struct({
    choices: Schema.Array(Schema.Struct({ text: Schema.optionalKey(Schema.String), finish_reason: Extra })),
    model: Extra,
    usage: Extra
  })
)

/** OpenAI's chat, which applies the model's own template. */
export const chatFormat: WireFormat = {
  name: "chat",
  serves: ({ _tag }) => _tag === "Chat" || _tag === "Prompt",
  body: (request) => {
    if (request._tag === "Chat") return { ...request.fields, messages: request.messages }
    if (request._tag !== "Prompt") return undefined
    return { messages: [{ role: "user", content: request.prompt }], ...openAiSampling(request.parameters) }
  },
  read: (answer) =>
    Result.flatMap(decodeChat(answer), ({ choices: [{ finish_reason: finishReason, message }], model, usage }) => {
      const { content, tool_calls: toolCalls } = message
      if (typeof content !== "string" && someOf(toolCalls) === undefined) return Result.fail("no content")
      return Result.succeed(generation(content ?? "", { model, finishReason, usage, toolCalls }))
    }),
  readEvent: (event) =>
    Result.map(decodeChatEvent(event), ({ choices: [choice], model, usage }) => {
      const { delta, finish_reason: finishReason } = choice ?? {}
      return streamEvent(delta?.content ?? "", { model, finishReason, usage, toolCalls: delta?.tool_calls })
    })
}

/** OpenAI's completions. */
export const completionFormat: WireFormat = {
  name: "completion",
  serves: ({ _tag }) => _tag === "Text" || _tag === "Prompt",
  body: (request) => {
    if (request._tag === "Text") return { ...request.fields, prompt: request.prompt }
    if (request._tag !== "Prompt") return undefined
    return { prompt: request.prompt, ...openAiSampling(request.parameters) }
  },
  read: (answer) =>
    Result.map(decodeCompletion(answer), ({ choices: [choice], model, usage }) =>
      generation(choice.text, { model, finishReason: choice.finish_reason, usage })
    ),
  readEvent: (event) =>
    Result.map(decodeCompletionEvent(event), ({ choices: [choice], model, usage }) =>
      streamEvent(choice?.text ?? "", { model, finishReason: choice?.finish_reason, usage })
    )
}
