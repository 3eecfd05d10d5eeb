import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import { Settings } from "../Settings.ts"

/** The most bytes of an answer that are read: a backend that sends more is not answering the question. */
const maxAnswerBytes = 16 * 1024 * 1024

/** Room beside the generations for aborts and status calls: KoboldCpp hangs at 24 open connections. */
const sideConnections = 8

/**
 * One connection pool to the backends, closed with the layer. Idle connections go soon, since KoboldCpp gives one of
 * its 24 handlers to each.
 */
export const layer: Layer.Layer<HttpClient.HttpClient, never, Settings> = NodeHttpClient.layerUndiciNoDispatcher.pipe(
  Layer.provide(
    Layer.unwrap(
      Settings.use(({ slots }) =>
        Effect.succeed(
          NodeHttpClient.layerDispatcherOptions({
            connections: slots + sideConnections,
            pipelining: 1,
            connect: { timeout: 3_000 },
            keepAliveTimeout: 4_000,
            maxResponseSize: maxAnswerBytes
          })
        )
      )
    )
  )
)

/** A client that keeps trace headers to itself: they are not for whatever host the settings name. */
export const untraced = HttpClient.transformResponse(Effect.provideService(HttpClient.TracerDisabledWhen, () => true))

/** What became of a call that got no whole answer. */
export interface BrokenCall {
  /** False if there was no connection at all, so that the backend can't be working on it. */
  readonly reached: boolean
  /** True if the answer came and was too large to be one. */
  readonly oversized: boolean
  readonly reason: string
}

const unreached: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "its host name is not known",
  EAI_AGAIN: "its host name can't be looked up now",
  EHOSTUNREACH: "its host can't be reached",
  ENETUNREACH: "its network can't be reached",
  UND_ERR_CONNECT_TIMEOUT: "no connection within 3 seconds"
}

/** Reads an error of the HTTP client; the words are ours and fit to be told. */
export const describeBrokenCall = (error: HttpClientError.HttpClientError): BrokenCall => {
  const code = causeCode("cause" in error.reason ? error.reason.cause : undefined)
  const absent = code === undefined ? undefined : unreached[code]
  if (absent !== undefined) return { reached: false, oversized: false, reason: absent }
  if (code === "UND_ERR_RES_EXCEEDED_MAX_SIZE") {
    return { reached: true, oversized: true, reason: "its answer is larger than any answer should be" }
  }
  return { reached: true, oversized: false, reason: "the connection closed before the whole answer had come" }
}

/** Node hides the reason of a failed connection in causes and in aggregates of one error per address. */
const causeCode = (cause: unknown): string | undefined => {
  if (typeof cause !== "object" || cause === null) return undefined
  if ("errors" in cause && Array.isArray(cause.errors) && cause.errors.length > 0) return causeCode(cause.errors[0])
  if ("code" in cause && typeof cause.code === "string") return cause.code
  return "cause" in cause ? causeCode(cause.cause) : undefined
}
