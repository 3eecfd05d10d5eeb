import { Agent, type IncomingHttpHeaders, request } from "node:http"
import * as Effect from "effect/Effect"
import { eventually } from "./TestService.ts"

export interface BatchOptions {
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Reads nothing of the answer. */
  readonly deaf?: boolean
}

/** A client of `POST /events` on a connection of its own, which sends and reads at the test's pace. */
export interface BatchClient {
  /** Bytes as they are, or values a line each. */
  readonly write: (...events: ReadonlyArray<unknown>) => void
  /** The bytes that the other side has not taken. */
  readonly unsent: () => number
  readonly end: (...events: ReadonlyArray<unknown>) => void
  readonly leave: () => void
  readonly status: () => number | undefined
  readonly headers: () => IncomingHttpHeaders
  readonly text: () => string
  /** The whole lines of the answer so far, but the blank ones. */
  readonly lines: () => ReadonlyArray<Record<string, unknown>>
  /** How the answer ended, if it has: as it should, or cut off. */
  readonly ending: () => "whole" | "cut" | undefined
  /** All lines, once the answer has ended. */
  readonly answer: Effect.Effect<ReadonlyArray<Record<string, unknown>>>
}

const encoded = (events: ReadonlyArray<unknown>) =>
  Buffer.concat(
    events.map((event) => (event instanceof Uint8Array ? event : Buffer.from(`${JSON.stringify(event)}\n`)))
  )

export const batchClient = (url: string, { deaf = false, headers = {}, query = "" }: BatchOptions = {}) =>
  Effect.acquireRelease(
    Effect.sync((): BatchClient => {
      let text = ""
      let status: number | undefined
      let received: IncomingHttpHeaders = {}
      let ending: "whole" | "cut" | undefined
      const cut = () => {
        ending ??= "cut"
      }
      const call = request(`${url}/events${query}`, {
        method: "POST",
        agent: new Agent({ keepAlive: false }),
        headers: { "content-type": "application/jsonl", ...headers }
      })
      call.on("error", cut)
      call.on("close", cut)
      call.on("response", (response) => {
        status = response.statusCode
        received = response.headers
        response.on("error", cut)
        if (deaf) return
        response.setEncoding("utf8")
        response.on("data", (chunk: string) => {
          text += chunk
        })
        response.on("end", () => {
          ending ??= "whole"
        })
      })
      call.flushHeaders()
      const lines = () =>
        text
          .slice(0, text.lastIndexOf("\n") + 1)
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line))
      return {
        write: (...events) => void call.write(encoded(events)),
        unsent: () => call.socket?.writableLength ?? 0,
        end: (...events) => void call.end(encoded(events)),
        leave: () => void call.destroy(),
        status: () => status,
        headers: () => received,
        text: () => text,
        lines,
        ending: () => ending,
        answer: Effect.map(
          eventually(() => ending !== undefined),
          lines
        )
      }
    }),
    (client) => Effect.sync(client.leave)
  )

/** Sends a whole batch and reads its whole answer. */
export const sendBatch = Effect.fnUntraced(function* (
  url: string,
  events: ReadonlyArray<unknown>,
  options?: BatchOptions
) {
  const client = yield* batchClient(url, options)
  client.end(...events)
  yield* client.answer
  return client
})
