import type { GenerationRequest } from "../../../domain/Generation.ts"
import type { JsonObject } from "../../../domain/Prompt.ts"
import { chatFormat, completionFormat } from "../OpenAiWire.ts"
import type { WireEndpoint, WireFormat } from "../Wire.ts"

/**
 * The two endpoints of OpenAI's protocol, below a URL that ends in its version. Servers differ in what they make of a
 * missing model, so that a configured one stands in every request.
 */
export const endpointsAt = (model: string | undefined): readonly [WireEndpoint, WireEndpoint] => [
  at("/chat/completions", { ...chatFormat, body: (request) => withModel(chatFormat.body(request), model) }),
  at("/completions", {
    ...completionFormat,
    serves: (request) => request._tag === "Native" || completionFormat.serves(request),
    body: (request) =>
      withModel(request._tag === "Native" ? fromNative(request) : completionFormat.body(request), model)
  })
]

/** Usage in streams is told only to those who ask for it, and costs nothing. */
const at = (path: string, format: WireFormat): WireEndpoint => ({
  ...format,
  path,
  streamPath: path,
  streamFields: { stream_options: { include_usage: true } }
})

const withModel = (body: JsonObject | undefined, model: string | undefined): JsonObject | undefined =>
  body === undefined || model === undefined ? body : { ...body, model }

/** What KoboldCpp's clients ask for, in the words of OpenAI's protocol and of the servers that extend it. */
const fromNative = ({ fields, prompt }: Extract<GenerationRequest, { _tag: "Native" }>): JsonObject =>
  Object.fromEntries([
    ["prompt", prompt],
    ...Object.entries(nativeNames).flatMap(([native, name]) => (native in fields ? [[name, fields[native]]] : []))
  ])

const nativeNames = {
  max_length: "max_tokens",
  temperature: "temperature",
  top_p: "top_p",
  top_k: "top_k",
  min_p: "min_p",
  typical: "typical_p",
  rep_pen: "repetition_penalty",
  presence_penalty: "presence_penalty",
  stop_sequence: "stop",
  sampler_seed: "seed",
  grammar: "grammar"
} as const
