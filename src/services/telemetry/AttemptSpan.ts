import type { Generation, GenerationRequest } from "../../domain/Generation.ts"
import type { InferenceBackend } from "../InferenceBackend.ts"
import { cut } from "./Cut.ts"
import { attribute, operationOf } from "./Names.ts"
import type { Attributes, Span } from "./Tracing.ts"

/** The spans of attempts, by the conventions for GenAI clients; undefined where a request's story isn't told. */
export const makeAttemptSpans = () => {
  const addresses = new WeakMap<object, Attributes>()
  const addressOf = (backend: Pick<InferenceBackend, "url">): Attributes => {
    const known = addresses.get(backend) ?? readAddress(backend.url)
    addresses.set(backend, known)
    return known
  }
  return (
    parent: Span | undefined,
    backend: Pick<InferenceBackend, "name" | "provider" | "url">,
    endpoint: string,
    request: GenerationRequest,
    stream: boolean
  ): Span | undefined => {
    if (parent?.sampled !== true) return undefined
    const operation = operationOf(endpoint)
    const asked = askedFor(request)
    const model = asked[attribute.requestModel]
    const span = parent.child(model === undefined ? operation : `${operation} ${model}`, "client", {
      [attribute.operation]: operation,
      [attribute.provider]: backend.provider,
      [attribute.backend]: backend.name,
      [attribute.endpoint]: endpoint,
      [attribute.stream]: stream,
      ...asked,
      ...addressOf(backend)
    })
    if (span.tellsContent) {
      span.set({
        [attribute.inputMessages]: JSON.stringify(messagesOf(request)),
        [attribute.stopSequences]: stops(request)
      })
    }
    return span
  }
}

/** What an attempt came to. */
export type Outcome = Partial<Pick<Generation, "text" | "model" | "finishReason" | "usage">>

/** Ends the span of an attempt. */
export const endAttempt = (span: Span | undefined, failure: string | undefined, outcome: Outcome = {}): void => {
  if (span === undefined) return
  const { finishReason, model, text, usage } = outcome
  span.set({
    [attribute.responseModel]: model === undefined ? undefined : cut(model, longestModel),
    [attribute.finishReasons]: finishReason === undefined ? undefined : [knownReason(finishReason)],
    [attribute.inputTokens]: usage?.promptTokens,
    [attribute.outputTokens]: usage?.completionTokens
  })
  if (span.tellsContent && text !== undefined) {
    span.set({
      [attribute.outputMessages]: JSON.stringify([
        { ...message("assistant", text), finish_reason: knownReason(finishReason ?? "other") }
      ])
    })
  }
  span.end(failure)
}

/** As long as the name of a model may be in an event. */
const longestModel = 256

const askedFor = (request: GenerationRequest): Attributes => {
  if (request._tag === "Prompt") {
    const { maxTokens, model, seed, temperature, topK, topP } = request.parameters
    return {
      [attribute.requestModel]: model,
      [attribute.maxTokens]: maxTokens,
      [attribute.temperature]: temperature,
      [attribute.topP]: topP,
      [attribute.topK]: topK,
      [attribute.seed]: seed
    }
  }
  const { fields } = request
  const { model } = fields
  const native = request._tag === "Native"
  return {
    [attribute.requestModel]: typeof model === "string" && model !== "" ? cut(model, longestModel) : undefined,
    [attribute.maxTokens]: number(
      native ? fields["max_length"] : (fields["max_completion_tokens"] ?? fields["max_tokens"])
    ),
    [attribute.temperature]: number(fields["temperature"]),
    [attribute.topP]: number(fields["top_p"]),
    [attribute.topK]: number(fields["top_k"]),
    [attribute.seed]: number(native ? fields["sampler_seed"] : fields["seed"])
  }
}

const number = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined)

/** Stop sequences are text of the client's, like its prompt. */
const stops = (request: GenerationRequest): ReadonlyArray<string> | undefined =>
  request._tag === "Prompt" ? request.parameters.stop : undefined

const message = (role: string, content: string) => ({ role, parts: [{ type: "text", content }] })

const messagesOf = (request: GenerationRequest) =>
  request._tag === "Chat"
    ? request.messages.map(({ content, role }) =>
        message(String(role), typeof content === "string" ? content : JSON.stringify(content))
      )
    : [message("user", request.prompt)]

/** Backends have reasons of their own, and a broken one may say anything. */
const knownReason = (reason: string): string => (reasons.has(reason) ? reason : "other")

const reasons = new Set([
  "stop",
  "length",
  "content_filter",
  "tool_calls",
  "function_call",
  "error",
  "eos",
  "cancelled"
])

const readAddress = (url: string | undefined): Attributes => {
  if (url === undefined) return {}
  const { hostname, port, protocol } = new URL(url)
  return {
    [attribute.serverAddress]: hostname,
    [attribute.serverPort]: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port)
  }
}
