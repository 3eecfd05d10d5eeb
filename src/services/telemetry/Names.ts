import { clientClosedRequest } from "../ActivityRings.ts"

/**
 * Every name that spans, events and metrics have outside, in one place: those of OpenTelemetry's conventions for GenAI
 * are still in development there. What has no convention begins with `ai_ticket`.
 */

/** Attributes of spans and of metrics. */
export const attribute = {
  errorType: "error.type",
  clientAddress: "client.address",
  serverAddress: "server.address",
  serverPort: "server.port",
  method: "http.request.method",
  route: "http.route",
  status: "http.response.status_code",
  scheme: "url.scheme",
  path: "url.path",
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  maxTokens: "gen_ai.request.max_tokens",
  temperature: "gen_ai.request.temperature",
  topP: "gen_ai.request.top_p",
  topK: "gen_ai.request.top_k",
  seed: "gen_ai.request.seed",
  stopSequences: "gen_ai.request.stop_sequences",
  stream: "gen_ai.request.stream",
  responseModel: "gen_ai.response.model",
  finishReasons: "gen_ai.response.finish_reasons",
  timeToFirstChunk: "gen_ai.response.time_to_first_chunk",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  tokenType: "gen_ai.token.type",
  inputMessages: "gen_ai.input.messages",
  outputMessages: "gen_ai.output.messages",
  requestId: "ai_ticket.request.id",
  errorCode: "ai_ticket.error.code",
  backend: "ai_ticket.backend",
  endpoint: "ai_ticket.endpoint",
  priority: "ai_ticket.priority",
  cache: "ai_ticket.cache",
  abort: "ai_ticket.abort.outcome",
  hedge: "ai_ticket.hedge.outcome"
} as const

/** Spans that have no convention: the wait for a slot, and telling a backend to stop. */
export const spanName = { queue: "queue", abort: "abort" } as const

/** What happens to a request between its attempts, as events of its span. */
export const eventName = {
  retry: "ai_ticket.retry",
  fallback: "ai_ticket.fallback",
  hedge: "ai_ticket.hedge",
  breaker: "ai_ticket.breaker_open"
} as const

/** What the conventions call a way to ask for text. */
export const operationOf = (endpoint: string): "chat" | "text_completion" =>
  endpoint === "chat" ? "chat" : "text_completion"

/** A method that the conventions know, or their word for all others. */
export const methodOf = (label: string): string => (label === "other" ? "_OTHER" : label)

/** Whether a status told somebody of a mistake of his own, which by the conventions is no error of the server's. */
export const isCallersMistake = (status: number): boolean =>
  status >= 400 && status < 500 && status !== clientClosedRequest

/** The metrics that have a convention, with their units and the buckets that it asks for. */
export const metric = {
  httpDuration: {
    name: "http.server.request.duration",
    description: "Duration of HTTP server requests.",
    unit: "s",
    boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
  },
  operationDuration: {
    name: "gen_ai.client.operation.duration",
    description: "GenAI operation duration.",
    unit: "s",
    boundaries: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
  },
  tokenUsage: {
    name: "gen_ai.client.token.usage",
    description: "Number of input and output tokens used.",
    unit: "{token}",
    boundaries: Array.from({ length: 14 }, (_, power) => 4 ** power)
  },
  firstToken: {
    name: "gen_ai.server.time_to_first_token",
    description: "Time to generate first token for successful responses.",
    unit: "s",
    boundaries: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
  }
} as const

export type ConventionMetric = (typeof metric)[keyof typeof metric]

/** What each of the metrics that have no convention counts, where it is no time. */
const counted: Readonly<Record<string, string>> = {
  http_requests: "request",
  http_request_errors: "request",
  http_requests_in_flight: "request",
  http_broken_streams: "stream",
  queue_depth: "request",
  slots_in_use: "slot",
  backend_attempts: "attempt",
  backend_retries: "attempt",
  backend_fallbacks: "fallback",
  backend_hedges: "hedge",
  backend_probes: "probe",
  backend_aborts: "abort",
  backend_breaker_state: "breaker",
  shared_answers: "answer",
  tokens: "token",
  generated_tokens: "token"
}

/**
 * The name and the unit by which a metric of ours is exported, so that OpenTelemetry's rules for Prometheus give it back
 * the name that it has at `/metrics`: those put unit and `total` behind a name, and leave out units in braces.
 */
export const exportedName = (namespace: string, ours: string): { readonly name: string; readonly unit: string } => {
  const [, name = ours, suffix] = /^(.*?)(?:_(total|seconds))?$/.exec(ours) ?? []
  return { name: `${namespace}.${name}`, unit: suffix === "seconds" ? "s" : `{${counted[name] ?? "item"}}` }
}
