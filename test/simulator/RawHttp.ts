import * as Net from "node:net"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { CannotKeepJournal } from "../../src/simulator/Journal.ts"
import type { SimulatorOptions } from "../../src/simulator/Options.ts"
import type { CannotListen } from "../../src/simulator/Server.ts"
import { Simulator } from "../../src/simulator/Simulator.ts"

/** What came over the wire, to the byte, and how the connection ended: its end, or an error code. */
export interface RawAnswer {
  readonly bytes: string
  readonly ended: string
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export type Address = { readonly host: string; readonly port: number }

/** Sends the text as it is and reads to the end of the connection. Interrupting it drops the connection. */
export const exchange = (address: Address, text: string): Effect.Effect<RawAnswer> =>
  Effect.callback<RawAnswer>((resume) => {
    const socket = Net.connect(address.port, address.host)
    let bytes = ""
    let ended = "end"
    socket.setEncoding("utf8")
    socket.on("data", (chunk) => {
      bytes += String(chunk)
    })
    socket.on("error", (error: NodeJS.ErrnoException) => {
      ended = error.code ?? error.message
    })
    socket.once("close", () => resume(Effect.succeed(readAnswer(bytes, ended))))
    socket.write(text)
    return Effect.sync(() => socket.destroy())
  })

export const readAnswer = (bytes: string, ended: string): RawAnswer => {
  const [head = "", ...rest] = bytes.split("\r\n\r\n")
  const [statusLine = "", ...lines] = head.split("\r\n")
  return {
    bytes,
    ended,
    status: Number(statusLine.split(" ")[1]),
    headers: new Map(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(":")
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      })
    ),
    body: rest.join("\r\n\r\n")
  }
}

export interface Call {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A request as it goes over the wire; a body that isn't a string is sent as JSON. */
export const requestText = (method: string, path: string, { body, headers = {} }: Call = {}): string => {
  const text = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body)
  const lines = Object.entries({
    host: "simulator",
    ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(text)) }),
    ...headers
  }).map(([name, value]) => `${name}: ${value}`)
  return [`${method} ${path} HTTP/1.1`, ...lines, "", text].join("\r\n")
}

/** One request, and its whole answer. */
export const send = (address: Address, method: string, path: string, call: Call = {}) =>
  exchange(address, requestText(method, path, call))

export const get = (address: Address, path: string, call: Call = {}) => send(address, "GET", path, call)

export const post = (address: Address, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
  send(address, "POST", path, { body, headers })

export const generate = (address: Address, fields: Readonly<Record<string, unknown>> = {}) =>
  post(address, "/api/v1/generate", { prompt: "Say something", max_length: 20, ...fields })

export const abort = (address: Address, genkey?: unknown) =>
  Effect.map(post(address, "/api/extra/abort", genkey === undefined ? undefined : { genkey }), ({ body }) =>
    JSON.parse(body)
  )

export const performance = (address: Address) =>
  Effect.map(get(address, "/api/extra/perf"), ({ body }) => JSON.parse(body))

/** Asks again until the answer is as wanted. */
export const poll = <A>(ask: Effect.Effect<A>, wanted: (answer: A) => boolean): Effect.Effect<A> =>
  Effect.repeat(ask, { until: wanted, schedule: Schedule.spaced("2 millis") })

/** A simulator for one test. */
export const withSimulator = <A, E, R>(
  options: typeof SimulatorOptions.Encoded,
  use: (simulator: Simulator["Service"]) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | Schema.SchemaError | CannotListen | CannotKeepJournal, Exclude<R, Simulator>> =>
  Simulator.use(use).pipe(Effect.provide(Simulator.layer(options)))

/** One request for a stream of the server's own kind, to its end. */
export const generateStream = (address: Address, fields: Readonly<Record<string, unknown>> = {}) =>
  post(address, "/api/extra/generate/stream", { prompt: "Say something", max_length: 20, ...fields })

/** Slow enough to last as long as any test, unless it is aborted. */
export const slow = { tokensPerSecond: 0.5 } as const

/** Waits until the generation with that key runs. */
export const running = (simulator: Simulator["Service"], genkey: string) =>
  simulator.until(({ generations }) =>
    generations.some((record) => record.genkey === genkey && record.outcome === "running")
  )

/** Waits until so many requests wait in line. */
export const inLine = (simulator: Simulator["Service"], count: number) =>
  poll(performance(simulator), ({ queue }) => queue === count)
