import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http"
import * as Effect from "effect/Effect"

/** A client of a streamed answer, on a connection of its own. */
export interface StreamingClient {
  readonly status: () => number | undefined
  readonly headers: () => IncomingHttpHeaders
  /** What has come so far. */
  readonly text: () => string
  /** Whether the answer came to its end, and whether the connection broke before. */
  readonly ended: () => boolean
  readonly broken: () => boolean
  /** Begins to read, for one that doesn't. */
  readonly read: () => void
  /** Closes the connection. */
  readonly leave: () => void
}

export interface StreamingOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** False for a client that takes the head and no more. */
  readonly reads?: boolean
  /** `POST` if not given. */
  readonly method?: "POST" | "GET"
}

/** Posts JSON, or gets what there is, and reads the answer as it comes, for as long as the scope is open. */
export const openStream = (
  url: string,
  path: string,
  body: unknown,
  { headers, method = "POST", reads = true }: StreamingOptions = {}
) =>
  Effect.acquireRelease(
    Effect.sync((): StreamingClient => {
      const bytes = Buffer.from(method === "GET" ? "" : JSON.stringify(body))
      const state = { ended: false, broken: false }
      const chunks: Array<Buffer> = []
      let response: IncomingMessage | undefined
      const broke = () => {
        state.broken = !state.ended
      }
      const read = () => void response?.on("data", (chunk: Buffer) => chunks.push(chunk))
      const call = request(url + path, {
        method,
        agent: false,
        headers: { "content-type": "application/json", "content-length": bytes.length, ...headers }
      })
      call.on("error", broke)
      call.on("response", (incoming) => {
        response = incoming
        incoming.on("end", () => {
          state.ended = true
        })
        incoming.on("error", broke)
        incoming.on("close", broke)
        if (reads) read()
      })
      call.end(bytes)
      return {
        status: () => response?.statusCode,
        headers: () => response?.headers ?? {},
        text: () => Buffer.concat(chunks).toString(),
        ended: () => state.ended,
        broken: () => state.broken,
        read,
        leave: () => void call.destroy()
      }
    }),
    ({ leave }) => Effect.sync(leave)
  )
