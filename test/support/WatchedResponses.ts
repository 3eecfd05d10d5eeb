import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"

/** One answer as the service writes it, and the backend's as the service reads it, whichever have come to be. */
export interface Watched {
  /** The response to the first request for that path: the scripted backend may get one for the same path. */
  readonly downstream: () => ServerResponse | undefined
  /** What the service reads of the backend. */
  readonly upstream: () => IncomingMessage | undefined
  /** Bytes of both that wait in this process. */
  readonly held: () => number
}

const field = (message: unknown, name: string): unknown =>
  typeof message === "object" && message !== null ? Reflect.get(message, name) : undefined

/** Watches what Node itself holds of a stream, which nothing of the service tells. */
export const watchedResponses = (path: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const seen: { downstream?: ServerResponse; upstream?: IncomingMessage } = {}
        const onRequest = (message: unknown) => {
          if (field(field(message, "request"), "url") === path)
            seen.downstream ??= field(message, "response") as ServerResponse
        }
        const onResponse = (message: unknown) => {
          const response = field(message, "response") as IncomingMessage
          if (response.headers["content-type"] === "text/event-stream") seen.upstream = response
        }
        subscribe("http.server.request.start", onRequest)
        subscribe("http.client.response.finish", onResponse)
        return { seen, onRequest, onResponse }
      }),
      ({ onRequest, onResponse }) =>
        Effect.sync(() => {
          unsubscribe("http.server.request.start", onRequest)
          unsubscribe("http.client.response.finish", onResponse)
        })
    ),
    ({ seen }): Watched => ({
      downstream: () => seen.downstream,
      upstream: () => seen.upstream,
      held: () => (seen.downstream?.writableLength ?? 0) + (seen.upstream?.readableLength ?? 0)
    })
  )
