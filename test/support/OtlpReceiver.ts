import { createServer, type RequestListener, type ServerResponse } from "node:http"
import { createServer as createSecureServer, type ServerOptions } from "node:https"
import type { AddressInfo, Socket } from "node:net"
import { gunzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import {
  decodeExport,
  type Received,
  type ReceivedLog,
  type ReceivedMetric,
  type ReceivedSpan,
  type SignalName
} from "./OtlpDecode.ts"

export interface OtlpReceiver {
  readonly url: string
  /** What came of each export, and what its request said beside it. */
  readonly exports: Array<Received & { readonly path: string; readonly headers: NodeJS.Dict<string | string[]> }>
  readonly bytes: Array<Buffer>
  /** Requests that came, answered or not; those for one signal, if it is named. */
  readonly asked: (signal?: SignalName) => number
  /** Connections that are open. */
  readonly connections: () => number
  readonly spans: () => ReadonlyArray<ReceivedSpan>
  /** The latest of each name. */
  readonly metrics: () => ReadonlyMap<string, ReceivedMetric>
  readonly logs: () => ReadonlyArray<ReceivedLog>
  /** Takes whatever comes from now on. */
  readonly recover: () => void
}

/**
 * What it answers to an export: a status, that it took all but three of it, 503 with a `Retry-After` of 0 or 20 seconds,
 * nothing ever, that it speaks another protocol from now on, the head of a 200 and no more, that and a byte now and then,
 * or that and as much as there is room for, both without an end.
 */
export type Mood = number | "picky" | "hasty" | "tired" | "silent" | "switches" | "begins" | "drips" | "floods"

/** That a part was refused, in protobuf: the first field of the first field is 3, whatever the signal. */
const threeRefused = Buffer.from([0x0a, 0x02, 0x08, 0x03])
/** And in JSON, where a number of 64 bits is text. */
const threeRefusedJson = JSON.stringify({
  partialSuccess: { rejectedSpans: "3", rejectedDataPoints: "3", rejectedLogRecords: "3" }
})

/** How often a byte comes from one that drips. */
const dripMillis = 20

const flood = Buffer.alloc(64 * 1024)

const answer = (mood: Exclude<Mood, "silent">, type: string, response: ServerResponse) => {
  if (mood === "picky") {
    response.writeHead(200, { "content-type": type })
    return response.end(type === "application/json" ? threeRefusedJson : threeRefused)
  }
  if (mood === "hasty" || mood === "tired") {
    return response.writeHead(503, { "retry-after": mood === "hasty" ? "0" : "20" }).end()
  }
  if (mood === "switches") {
    return response.writeHead(101, { connection: "upgrade", upgrade: "another" }).flushHeaders()
  }
  const status = typeof mood === "number" ? mood : 200
  response.writeHead(status, { "content-type": "application/json" })
  if (typeof mood === "number") return response.end("{}")
  response.flushHeaders()
  if (mood === "begins") return
  if (mood === "floods") {
    const more = () => {
      while (!response.destroyed && response.write(flood));
    }
    response.on("drain", more)
    return more()
  }
  const drip = setInterval(() => response.write(" "), dripMillis)
  response.on("close", () => clearInterval(drip))
}

/** A collector on a free port that reads what it gets, both encodings, and remembers it. */
export const otlpReceiver = (beginning: Mood = 200, tls?: ServerOptions) =>
  Effect.acquireRelease(
    Effect.callback<OtlpReceiver & { readonly close: () => void }>((resume) => {
      const exports: OtlpReceiver["exports"] = []
      const bytes: Array<Buffer> = []
      let mood = beginning
      const asked: Array<string> = []
      const sockets = new Set<Socket>()
      const listener: RequestListener = (request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const path = request.url ?? ""
          asked.push(path)
          if (mood === "silent") return
          const sent = Buffer.concat(chunks)
          const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent
          bytes.push(body)
          const type = request.headers["content-type"] ?? "none"
          const signal = path.split("?")[0]?.split("/").at(-1) as SignalName
          exports.push({
            ...decodeExport(signal, type, body),
            ...{ path, headers: request.headers }
          })
          answer(mood, type, response)
        })
      }
      const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener)
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
            ...{ exports, bytes },
            asked: (signal) => asked.filter((path) => signal === undefined || path.endsWith(`/v1/${signal}`)).length,
            connections: () => sockets.size,
            spans: () => exports.flatMap(({ spans }) => spans),
            metrics: () => new Map(exports.flatMap(({ metrics }) => metrics).map((metric) => [metric.name, metric])),
            logs: () => exports.flatMap(({ logs }) => logs),
            recover: () => {
              mood = 200
            },
            close: () => {
              server.closeAllConnections()
              server.close()
            }
          })
        )
      )
    }),
    ({ close }) => Effect.sync(close)
  )

/** What a service needs to export soon to that collector. */
export const exportingTo = (receiver: Pick<OtlpReceiver, "url">): Readonly<Record<string, string>> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  OTEL_BSP_SCHEDULE_DELAY: "20",
  OTEL_BLRP_SCHEDULE_DELAY: "20",
  OTEL_METRIC_EXPORT_INTERVAL: "50"
})

/**
 * All that a collector was told, but for the names of models: clients choose them, and traces are to tell them. It is
 * complete when the service has ended.
 */
export const exportedText = ({ exports }: Pick<OtlpReceiver, "exports">): string => {
  if (!exports.some(({ spans }) => spans.length > 0)) throw new Error("nothing was exported")
  return JSON.stringify(exports, (key, value) => {
    if (typeof value === "bigint" || key === "gen_ai.request.model" || key === "gen_ai.response.model") return undefined
    return key === "name" && /^(chat|text_completion) /.test(value) ? undefined : value
  })
}
