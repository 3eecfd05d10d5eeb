import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { chatFormat, completionFormat } from "../OpenAiWire.ts"
import { Count, Extra, firstOf, generation, streamEvent, type WireEndpoint, type WireFormat } from "../Wire.ts"

const decodeGenerate = Schema.decodeUnknownResult(
  Schema.Struct({
    results: firstOf(
      Schema.Struct({ text: Schema.String, finish_reason: Extra, prompt_tokens: Extra, completion_tokens: Extra })
    )
  })
)

const decodeGenerateEvent = Schema.decodeUnknownResult(Schema.Struct({ token: Schema.String, finish_reason: Extra }))

/** KoboldCpp's own way, which hands a prompt to the model as it is. */
const generateEndpoint: WireEndpoint = {
  name: "generate",
  serves: ({ _tag }) => _tag === "Native" || _tag === "Prompt",
  path: "/api/v1/generate",
  streamPath: "/api/extra/generate/stream",
  body: (request) => {
    if (request._tag === "Native") return { ...request.fields, prompt: request.prompt }
    if (request._tag !== "Prompt") return undefined
    const { maxTokens, seed, stop, temperature, topK, topP } = request.parameters
    return {
      prompt: request.prompt,
      max_length: maxTokens,
      temperature,
      top_p: topP,
      top_k: topK,
      stop_sequence: stop,
      sampler_seed: seed,
      // Its default differs between versions.
      trim_stop: true
    }
  },
  read: (answer) =>
    Result.map(decodeGenerate(answer), ({ results: [result] }) =>
      generation(result.text, { finishReason: result.finish_reason, usage: result })
    ),
  readEvent: (event) =>
    Result.map(decodeGenerateEvent(event), ({ finish_reason: finishReason, token }) =>
      streamEvent(token, { finishReason })
    )
}

const at = (path: string, format: WireFormat): WireEndpoint => ({ ...format, path, streamPath: path })

/** In order of preference. The native one is the last resort, for builds that lack the other two. */
export const wireEndpoints = [
  at("/api/v1/chat/completions", chatFormat),
  at("/api/v1/completions", completionFormat),
  generateEndpoint
] as const

/** `GET /api/extra/perf`: how many requests wait inside the server. */
export const readPerfQueue = (answer: unknown): number | undefined =>
  Option.getOrUndefined(
    Option.map(Schema.decodeUnknownOption(Schema.Struct({ queue: Count }))(answer), ({ queue }) => queue)
  )
