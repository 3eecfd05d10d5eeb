import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"

/**
 * What the backend does with one call. The fields exclude each other; none at all is a success that names the endpoint.
 */
export interface Step {
  readonly status?: number
  /** JSON to answer with. */
  readonly body?: unknown
  /** Text to answer with, JSON or not. */
  readonly raw?: string
  readonly headers?: Record<string, string>
  /** Closes the connection without an answer. */
  readonly reset?: boolean
  /** Promises more than it sends, then closes. */
  readonly truncate?: boolean
  /** Never answers. */
  readonly hang?: boolean
  /** Sends the head and the beginning of a body, and never the rest. */
  readonly dribble?: boolean
  /** An event stream: its bytes in pieces, any number of them, each written when the one before it is on its way. */
  readonly pieces?: Iterable<string | Uint8Array>
  /** What comes after the pieces; `hang` leaves the stream open, for `feed`. */
  readonly after?: "end" | "hang" | "reset"
  /** What the generation has come to when somebody asks; without it the backend can't tell. */
  readonly generated?: string
}

export type EndpointName = "chat" | "completion" | "generate" | "models"

export interface Call {
  readonly endpoint: EndpointName
  readonly body: Record<string, unknown>
  readonly prompt: unknown
  readonly headers: IncomingMessage["headers"]
  /** How many pieces of a stream are on their way. */
  sent: number
  /** Set when the connection closed before the answer was sent. */
  closedEarlyAt: number | undefined
}

/** A question beside the generations: about the server, or about a text. */
export interface Question {
  readonly path: string
  readonly body: Record<string, unknown>
  readonly headers: IncomingMessage["headers"]
}

export interface ScriptedBackend {
  readonly url: string
  readonly calls: Array<Call>
  /** Who asked what it runs; none of these is a call. */
  readonly lookups: Array<Call>
  readonly aborts: Array<{ readonly genkey: unknown; readonly at: number }>
  /** How paths beside the generations are answered; none of these is a call. */
  readonly tell: (answers: Readonly<Record<string, Step>>) => void
  readonly questions: Array<Question>
  /** Steps are used up in order; the last one repeats. */
  readonly script: (steps: Partial<Record<EndpointName, ReadonlyArray<Step>>>) => void
  readonly openConnections: () => number
  /** How many calls have got their whole answer. */
  readonly answered: () => number
  /** Writes on to every stream that hangs. */
  readonly feed: (piece: string) => void
  /** Answers every call that hangs, as a success. */
  readonly release: () => void
}

/** A server with KoboldCpp's endpoints that does as it is told and remembers what it was asked, on a free port. */
export const scriptedBackend = Effect.acquireRelease(
  Effect.callback<ScriptedBackend & { readonly close: () => void }>((resume) => {
    const calls: Array<Call> = []
    const lookups: Array<Call> = []
    const aborts: Array<{ genkey: unknown; at: number }> = []
    const questions: Array<Question> = []
    let answers: Readonly<Record<string, Step>> = {}
    const hanging = new Set<() => void>()
    const streaming = new Set<ServerResponse>()
    const generated = new Map<unknown, string>()
    let steps: Partial<Record<EndpointName, ReadonlyArray<Step>>> = {}
    let used: Partial<Record<EndpointName, number>> = {}
    let open = 0
    let answered = 0

    const nextStep = (endpoint: EndpointName): Step => {
      const at = used[endpoint] ?? 0
      used = { ...used, [endpoint]: at + 1 }
      const list = steps[endpoint] ?? []
      return list[Math.min(at, list.length - 1)] ?? {}
    }

    const server = createServer((request, response) => {
      let text = ""
      request.setEncoding("utf8")
      request.on("data", (chunk: string) => {
        text += chunk
      })
      request.on("end", () => {
        const path = request.url ?? ""
        const body: Record<string, unknown> = text === "" ? {} : JSON.parse(text)
        if (path.endsWith("/extra/abort")) {
          aborts.push({ genkey: body["genkey"], at: performance.now() })
          return json(response, 200, { success: "true", done: "true" })
        }
        const told = answers[path]
        if (told !== undefined) {
          questions.push({ path, body, headers: request.headers })
          return perform(told, "generate", response, hanging)
        }
        const soFar = generated.get(body["genkey"])
        if (path.endsWith("/extra/generate/check") && soFar !== undefined) {
          return json(response, 200, { results: [{ text: soFar }] })
        }
        if (path.endsWith("/extra/tokencount") && generated.size > 0) {
          return json(response, 200, { value: tokensOf(String(body["prompt"])).length })
        }
        if (path.endsWith("/extra/perf")) return json(response, 200, { idle: 1, queue: 0 })
        const endpoint = endpointOf(path)
        if (endpoint === undefined) return json(response, 404, {})
        const call: Call = {
          endpoint,
          body,
          prompt: promptOf(body),
          headers: request.headers,
          sent: 0,
          closedEarlyAt: undefined
        }
        const kept = endpoint === "models" ? lookups : calls
        kept.push(call)
        response.on("close", () => {
          if (response.writableFinished) answered += kept === calls ? 1 : 0
          else call.closedEarlyAt = performance.now()
        })
        const step = nextStep(endpoint)
        if (step.generated !== undefined) generated.set(body["genkey"], step.generated)
        const pieces = step.pieces ?? (body["stream"] === true && isPlain(step) ? streamOf(endpoint) : undefined)
        if (pieces === undefined) perform(step, endpoint, response, hanging)
        else stream(pieces, step.after ?? "end", call, response, streaming)
      })
    })
    server.on("connection", (socket) => {
      open += 1
      socket.on("close", () => {
        open -= 1
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(
        Effect.succeed({
          url: `http://127.0.0.1:${port}/api`,
          calls,
          lookups,
          aborts,
          questions,
          tell: (told) => {
            answers = told
          },
          script: (script) => {
            steps = script
            used = {}
          },
          openConnections: () => open,
          answered: () => answered,
          feed: (piece) => {
            for (const response of streaming) response.write(piece)
          },
          release: () => {
            for (const answer of hanging) answer()
            hanging.clear()
          },
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        })
      )
    })
  }),
  (backend) => Effect.sync(backend.close)
)

const isPlain = (step: Step) => Object.keys(step).length === 0

/** Each piece is written when the one before it is on its way, so that they don't travel as one. */
const stream = (
  pieces: Iterable<string | Uint8Array>,
  after: "end" | "hang" | "reset",
  call: Call,
  response: ServerResponse,
  streaming: Set<ServerResponse>
) => {
  response.writeHead(200, { "content-type": "text/event-stream", connection: "close" })
  response.flushHeaders()
  const left = pieces[Symbol.iterator]()
  const next = (): void => {
    const { done, value } = left.next()
    if (done !== true) {
      return void response.write(value, (error) => {
        if (error != null) return
        call.sent += 1
        setImmediate(next)
      })
    }
    if (after === "end") return void response.end()
    if (after === "reset") return void response.socket?.resetAndDestroy()
    streaming.add(response)
    response.on("close", () => streaming.delete(response))
  }
  next()
}

const tokensOf = (text: string): ReadonlyArray<string> => text.match(/\s*\S+\s*$|\s*\S+/g) ?? []

/** The events of a text, a token each, and the finish reason. */
export const streamOf = (endpoint: EndpointName, text = ` from ${endpoint} `): ReadonlyArray<string> => {
  const tokens = tokensOf(text)
  if (endpoint === "generate") {
    const event = (token: string, reason: string | null) =>
      `event: message\ndata: ${JSON.stringify({ token, finish_reason: reason })}\n\n`
    return [...tokens.map((token) => event(token, null)), event("", "stop")]
  }
  const event = (text: string, reason: string | null) => {
    const said = endpoint === "chat" ? { delta: { content: text } } : { text }
    return `data: ${JSON.stringify({ model: "koboldcpp/scripted", choices: [{ index: 0, finish_reason: reason, ...said }] })}\n\n`
  }
  return [...tokens.map((token) => event(token, null)), event("", "stop"), "data: [DONE]\n\n"]
}

const perform = (step: Step, endpoint: EndpointName, response: ServerResponse, hanging: Set<() => void>) => {
  const success = () => json(response, 200, successOf(endpoint), step.headers)
  if (step.hang) {
    hanging.add(success)
    response.on("close", () => hanging.delete(success))
    return
  }
  if (step.reset) return void response.socket?.destroy()
  if (step.dribble) {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" })
    return void response.write('{"choices":')
  }
  if (step.truncate) {
    response.writeHead(200, { "content-type": "application/json", "content-length": "1000" })
    response.write('{"choices":')
    return void setImmediate(() => response.socket?.destroy())
  }
  if (step.raw !== undefined) {
    response.writeHead(step.status ?? 200, step.headers)
    return void response.end(step.raw)
  }
  if (step.status === undefined && step.body === undefined) return success()
  json(response, step.status ?? 200, step.body ?? {}, step.headers)
}

const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(body))
}

const endpointOf = (path: string): EndpointName | undefined => {
  if (path.endsWith("/v1/chat/completions")) return "chat"
  if (path.endsWith("/v1/completions")) return "completion"
  if (path.endsWith("/v1/models")) return "models"
  return /\/v1\/generate$|\/extra\/generate\/stream$/.test(path) ? "generate" : undefined
}

const promptOf = (body: Record<string, unknown>): unknown => {
  const messages = body["messages"]
  return Array.isArray(messages) ? messages.map((message) => message.content).join("\n") : body["prompt"]
}

const successOf = (endpoint: EndpointName): unknown => {
  if (endpoint === "models") {
    return { object: "list", data: [{ id: "koboldcpp/scripted", object: "model", created: 1, owned_by: "koboldcpp" }] }
  }
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
  const choice = { index: 0, finish_reason: "stop" }
  if (endpoint === "chat") {
    const message = { role: "assistant", content: " from chat " }
    return { model: "koboldcpp/scripted", choices: [{ ...choice, message }], usage }
  }
  if (endpoint === "completion") {
    return { model: "koboldcpp/scripted", choices: [{ ...choice, text: " from completion " }], usage }
  }
  return { results: [{ text: " from generate ", finish_reason: "stop", prompt_tokens: 3, completion_tokens: 2 }] }
}
