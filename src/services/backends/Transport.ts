import * as Undici from "@effect/platform-node/Undici"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "../Settings.ts"

/** The most bytes of an answer that are read: a backend that sends more is not answering the question. */
const maxAnswerBytes = 16 * 1024 * 1024

/** Room beside the generations for aborts and status calls: KoboldCpp hangs at 24 open connections. */
const sideConnections = 8

/** One call to a backend. */
export interface Call {
  readonly method: "GET" | "POST"
  /** `http://host:port`. */
  readonly origin: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON, with its length. */
  readonly body?: object
}

/** An answer, read to its end, whatever its status. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}

/** What became of a call that got no whole answer. */
export interface BrokenCall {
  /** False if there was no connection at all, so that the backend can't be working on it. */
  readonly reached: boolean
  /** True if the answer came and was too large to be one. */
  readonly oversized: boolean
  /** In words of ours, fit to be told. */
  readonly reason: string
}

/**
 * One connection pool to the backends. It carries what it is given and nothing else: no trace headers to whatever host
 * the settings name.
 *
 * It drives undici's dispatcher itself; Effect's HTTP client over the same pool took 2.5 times the CPU for each call
 * (docs/adr/0006).
 */
export class Transport extends Context.Service<
  Transport,
  {
    /** Interrupting it closes the connection. */
    readonly call: (call: Call) => Effect.Effect<Answer, BrokenCall>
  }
>()("ai-ticket/services/backends/Transport") {
  static readonly layer = Layer.effect(
    Transport,
    Effect.gen(function* () {
      const { slots } = yield* Settings
      const agent = yield* Effect.acquireRelease(
        Effect.sync(
          () =>
            new Undici.Agent({
              connections: slots + sideConnections,
              pipelining: 1,
              connect: { timeout: 3_000 },
              // The deadline is the timeout: a slow model is silent for minutes.
              headersTimeout: 0,
              bodyTimeout: 0,
              // KoboldCpp gives one of its handlers to each connection, idle or not.
              keepAliveTimeout: 4_000,
              maxResponseSize: maxAnswerBytes
            })
        ),
        (agent) => Effect.promise(() => agent.destroy())
      )
      return Transport.of({ call: (call) => dispatch(agent, call) })
    })
  )
}

const dispatch = (agent: Undici.Agent, { body, headers, method, origin, path }: Call) =>
  Effect.callback<Answer, BrokenCall>((resume) => {
    const chunks: Array<Buffer> = []
    let abort: ((reason: Error) => void) | undefined
    let left = false
    let status = 0
    let answerHeaders: Answer["headers"] = {}
    agent.dispatch(
      {
        method,
        origin,
        path,
        headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
        body: body === undefined ? null : JSON.stringify(body)
      },
      {
        onRequestStart: (controller) => {
          abort = (reason) => controller.abort(reason)
          if (left) abort(gone)
        },
        onResponseStart: (_, code, fields) => {
          status = code
          answerHeaders = fields
        },
        onResponseData: (_, chunk) => void chunks.push(chunk),
        onResponseEnd: () => {
          const text = (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))?.toString("utf8") ?? ""
          resume(Effect.succeed({ status, headers: answerHeaders, text }))
        },
        onResponseError: (_, error) => resume(Effect.fail(describe(error)))
      }
    )
    return Effect.sync(() => {
      left = true
      abort?.(gone)
    })
  })

const gone = new Error("Nobody waits for this answer any more")

const unreached: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "its host name is not known",
  EAI_AGAIN: "its host name can't be looked up now",
  EHOSTUNREACH: "its host can't be reached",
  ENETUNREACH: "its network can't be reached",
  UND_ERR_CONNECT_TIMEOUT: "no connection within 3 seconds"
}

const describe = (error: Error): BrokenCall => {
  const code = errorCode(error)
  const absent = code === undefined ? undefined : unreached[code]
  if (absent !== undefined) return { reached: false, oversized: false, reason: absent }
  if (code === "UND_ERR_RES_EXCEEDED_MAX_SIZE") {
    return { reached: true, oversized: true, reason: "its answer is larger than any answer should be" }
  }
  return { reached: true, oversized: false, reason: "the connection closed before the whole answer had come" }
}

/** Node hides why a connection failed in causes, and in aggregates of one error per address. */
const errorCode = (error: unknown): string | undefined => {
  if (typeof error !== "object" || error === null) return undefined
  if ("errors" in error && Array.isArray(error.errors) && error.errors.length > 0) return errorCode(error.errors[0])
  if ("code" in error && typeof error.code === "string") return error.code
  return "cause" in error ? errorCode(error.cause) : undefined
}
