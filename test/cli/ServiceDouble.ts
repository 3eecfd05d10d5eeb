import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"

/** What the double does with an event; nothing is a completion that repeats the event's content. */
export interface Move {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
  /** Closes the connection instead of an answer. */
  readonly reset?: boolean
  /** Answers when it is told to. */
  readonly hang?: boolean
}

export interface Asked {
  readonly event: Record<string, unknown>
  readonly headers: IncomingHttpHeaders
  readonly at: number
}

export interface ServiceDouble {
  readonly url: string
  readonly asked: ReadonlyArray<Asked>
  /** Events without an answer. */
  readonly open: () => number
  readonly release: () => void
  /** Stops listening, and closes what is open. */
  readonly close: () => void
}

/** Something that answers `POST /event` as the service may, by a script: moves for the tries of each event, the last repeats. */
export const serviceDouble = (movesFor: (event: Record<string, unknown>, tries: number) => Move = () => ({})) =>
  Effect.acquireRelease(
    Effect.callback<ServiceDouble>((resume) => {
      const asked: Array<Asked> = []
      const hanging = new Set<() => void>()
      const tries = new Map<unknown, number>()
      const server = createServer((request, response) => {
        let text = ""
        request.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk
        })
        request.on("end", () => {
          const event: Record<string, unknown> = JSON.parse(text)
          const times = tries.get(event["id"]) ?? 0
          tries.set(event["id"], times + 1)
          asked.push({ event, headers: request.headers, at: performance.now() })
          const { body, hang = false, headers = {}, reset = false, status = 200 } = movesFor(event, times)
          if (reset) return void response.socket?.resetAndDestroy()
          const answer = () => {
            response.writeHead(status, { "content-type": "application/json", ...headers })
            const completion = { id: event["id"], completion: `to ${JSON.stringify(event["content"])}` }
            response.end(typeof body === "string" ? body : JSON.stringify(body ?? completion))
          }
          if (!hang) return answer()
          hanging.add(answer)
          response.on("close", () => hanging.delete(answer))
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${port}`,
            asked,
            open: () => hanging.size,
            release: () => {
              for (const answer of hanging) answer()
            },
            close: () => {
              server.closeAllConnections()
              server.close()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  )
