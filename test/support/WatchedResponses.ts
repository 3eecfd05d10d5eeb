import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"

/** One answer as the service writes it, and the backend's as the service reads it, whichever have come to be. */
export interface Watched {
  /** The response to the first request for that path: the scripted backend may get one for the same path. */
  readonly downstream: () => ServerResponse | undefined
  /** The connection over which the service reads the backend's. */
  readonly upstream: () => Socket | undefined
  /** Bytes of both that wait in this process. */
  readonly held: () => number
}

const field = (message: unknown, name: string): unknown =>
  typeof message === "object" && message !== null ? Reflect.get(message, name) : undefined

/** Watches what Node itself holds of a stream from the backend at that URL, which nothing of the service tells. */
export const watchedResponses = (path: string, backend: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const seen: { downstream?: ServerResponse; readonly connections: Array<Socket> } = { connections: [] }
        const onRequest = (message: unknown) => {
          if (field(field(message, "request"), "url") === path)
            seen.downstream ??= field(message, "response") as ServerResponse
        }
        const onConnection = (message: unknown) => {
          seen.connections.push(field(message, "socket") as Socket)
        }
        subscribe("http.server.request.start", onRequest)
        subscribe("net.client.socket", onConnection)
        return { onConnection, onRequest, seen }
      }),
      ({ onConnection, onRequest }) =>
        Effect.sync(() => {
          unsubscribe("http.server.request.start", onRequest)
          unsubscribe("net.client.socket", onConnection)
        })
    ),
    ({ seen }): Watched => {
      const port = Number(new URL(backend).port)
      // One that is closed has no port any more.
      const upstream = () => seen.connections.find(({ remotePort }) => remotePort === port)
      return {
        downstream: () => seen.downstream,
        upstream,
        held: () => (seen.downstream?.writableLength ?? 0) + (upstream()?.readableLength ?? 0)
      }
    }
  )
