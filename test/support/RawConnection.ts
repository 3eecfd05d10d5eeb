import { createConnection } from "node:net"
import * as Effect from "effect/Effect"
import type { Incoming } from "./Http.ts"
import { eventually } from "./TestService.ts"

export interface RawConnection {
  readonly write: (bytes: string | Uint8Array) => void
  /** Says that nothing more will be written, and goes on reading. */
  readonly end: () => void
  /** Breaks off, whatever is under way. */
  readonly reset: () => void
  /** Every answer that is whole so far. */
  readonly answers: () => ReadonlyArray<Incoming>
  /** The first `count` answers, once they are there. */
  readonly receive: (count: number) => Effect.Effect<ReadonlyArray<Incoming>>
  /** Returns when the other side has closed. */
  readonly closed: Effect.Effect<void>
  readonly isClosed: () => boolean
}

/** A bare connection, for what no HTTP client would send. */
export const rawConnection = (url: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const { hostname, port } = new URL(url)
        const socket = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true })
        const chunks: Array<Buffer> = []
        const state = { closed: false }
        socket.on("data", (chunk: Buffer) => chunks.push(chunk))
        socket.on("end", () => {
          state.closed = true
        })
        socket.on("close", () => {
          state.closed = true
        })
        // A reset is a way of closing; what was read before it counts.
        socket.on("error", () => socket.destroy())
        return { socket, state, answers: () => parseAnswers(Buffer.concat(chunks).toString("latin1")) }
      }),
      ({ socket }) => Effect.sync(() => socket.destroy())
    ),
    ({ answers, socket, state }): RawConnection => ({
      write: (bytes) => void socket.write(bytes),
      end: () => void socket.end(),
      reset: () => void socket.resetAndDestroy(),
      answers,
      receive: (count) =>
        Effect.map(
          eventually(() => answers().length >= count),
          answers
        ),
      closed: eventually(() => state.closed),
      isClosed: () => state.closed
    })
  )

/** Splits what came over one connection; every answer of the service tells its length. */
const parseAnswers = (text: string): ReadonlyArray<Incoming> => {
  const answers: Array<Incoming> = []
  let rest = text
  for (;;) {
    const headEnd = rest.indexOf("\r\n\r\n")
    if (headEnd < 0) return answers
    const [statusLine = "", ...fields] = rest.slice(0, headEnd).split("\r\n")
    const headers = Object.fromEntries(
      fields.map((field) => {
        const colon = field.indexOf(":")
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
      })
    )
    const bodyEnd = headEnd + 4 + Number(headers["content-length"] ?? 0)
    if (rest.length < bodyEnd) return answers
    answers.push({ status: Number(statusLine.split(" ")[1]), headers, text: rest.slice(headEnd + 4, bodyEnd) })
    rest = rest.slice(bodyEnd)
  }
}
