import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { counted } from "../../domain/Counted.ts"
import type { CutShort } from "../../domain/Failure.ts"
import { brokenConnection, whyUnreached } from "../SocketErrors.ts"
import { type ChunkReader, readChunks } from "./ChunkReader.ts"

/** The most bytes of an answer that are read: a backend that sends more is not answering the question. */
export const maxAnswerBytes = 16 * 1024 * 1024

/** How long a connection may take to be there, where nothing else is said. */
const usualConnectMillis = 3_000

/** Where calls go: one of the few places that the settings name. */
export interface Target {
  /** Scheme, host, port and what comes before a call's path. */
  readonly base: string
  /** How long a connection may take to be there; 3 seconds if not given. */
  readonly connectMillis?: number | undefined
}

/** One call to a backend. */
export interface Call {
  readonly method: "GET" | "POST"
  readonly target: Target
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON, with its length. */
  readonly body?: object
}

/** An answer, read to its end, whatever its status. */
export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

/** An answer whose head has come; its body is read as it comes. */
export interface OpenAnswer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly chunks: ChunkReader<BrokenCall | CutShort>
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
 * The connections to the backends. They carry what they are given and nothing else: whoever wants a trace to go on there
 * gives its header fields.
 *
 * Each call has a connection of its own, for KoboldCpp closes it anyway, and one kept by a proxy may be dead when it is
 * used again. KoboldCpp hangs at 24: who calls bounds them, by slots for generations and their aborts, and by permits or a
 * cached answer for what else is asked.
 *
 * Node's own client, since it is the cheapest with a server that closes after each answer, as KoboldCpp does
 * (docs/adr/0006).
 */
export class Transport extends Context.Service<
  Transport,
  {
    /** Interrupting it closes the connection. */
    readonly call: (call: Call) => Effect.Effect<Answer, BrokenCall>
    /** Returns with the head of the answer. The connection closes with the scope, read to its end or not. */
    readonly open: (call: Call) => Effect.Effect<OpenAnswer, BrokenCall, Scope.Scope>
  }
>()("ai-ticket/services/backends/Transport") {
  static readonly layer = Layer.sync(Transport, () => {
    /** Told once: reading a URL for each call would cost more than the rest of it here. */
    const known = new WeakMap<Target, Place>()
    const begin: Begin = ({ headers, method, path, target }, text) => {
      let place = known.get(target)
      if (place === undefined) {
        place = placeOf(target)
        known.set(target, place)
      }
      return place.request({
        ...place.options,
        method,
        path: place.path + path,
        headers: fieldsOf(place.host, headers, text)
      })
    }
    return Transport.of({
      call: (call) => exchange(call, begin, readWhole),
      open: (call) =>
        Effect.map(
          Effect.acquireRelease(
            // The reader is there before the event that brings the response is over, so that it misses none.
            exchange<readonly [Http.IncomingMessage, ChunkReader<BrokenCall | CutShort>]>(
              call,
              begin,
              (response, _, resume) =>
                resume(Effect.succeed([response, readChunks<BrokenCall | CutShort>(response, describe)] as const))
            ),
            ([response]) => Effect.sync(() => response.destroy()),
            { interruptible: true }
          ),
          ([response, chunks]) => ({ status: response.statusCode ?? 0, headers: response.headers, chunks })
        )
    })
  })
}

/** What all calls to a target have in common. */
interface Place {
  readonly request: (options: Http.RequestOptions) => Http.ClientRequest
  readonly options: Http.RequestOptions
  readonly host: string
  readonly path: string
}

const placeOf = ({ base, connectMillis = usualConnectMillis }: Target): Place => {
  const { host: named, hostname, pathname, port, protocol } = new URL(base)
  const host = hostname.replace(/^\[|\]$/g, "")
  const secure = protocol === "https:"
  const to = { host, port: port === "" ? (secure ? 443 : 80) : Number(port), noDelay: true }
  /** Lets a further connection take up where the last one was, without the whole of a handshake. */
  let session: Buffer | undefined
  const connectSafely = () => {
    const name = Net.isIP(host) === 0 ? { servername: host } : {}
    const known = session === undefined ? {} : { session }
    return Tls.connect({ ...to, ...name, ...known, ALPNProtocols: ["http/1.1"] }).on("session", (fresh) => {
      session = fresh
    })
  }
  return {
    request: secure ? Https.request : Http.request,
    host: named,
    path: pathname.replace(/\/+$/, ""),
    options: {
      protocol,
      // Node's agents would take a tenth of a request's time to keep account of what is never kept.
      createConnection: () => inTime(secure ? connectSafely() : Net.connect(to), connectMillis)
    }
  }
}

/** A list, which Node writes as it is: from an object it would make one of its own first. */
const fieldsOf = (host: string, headers: Call["headers"], text: string | undefined): Array<string> => {
  const fields = ["Host", host, "Connection", "close"]
  for (const name in headers) fields.push(name, headers[name] ?? "")
  if (text !== undefined) {
    fields.push("Content-Type", "application/json", "Content-Length", String(Buffer.byteLength(text)))
  }
  return fields
}

/** Only for connecting: the deadline is the timeout of an answer, and a slow model is silent for minutes. */
const inTime = (socket: Net.Socket, millis: number): Net.Socket => {
  const late = () => socket.destroy(new ConnectTimeout(millis))
  return socket.setTimeout(millis, late).once("connect", () => socket.setTimeout(0, late))
}

type Begin = (call: Call, text: string | undefined) => Http.ClientRequest
type Resume<A> = (effect: Effect.Effect<A, BrokenCall>) => void

/** Sends a call and hands its response on; interrupting it closes the connection. */
const exchange = <A>(
  call: Call,
  begin: Begin,
  onResponse: (response: Http.IncomingMessage, fail: (error: unknown) => void, resume: Resume<A>) => void
) =>
  Effect.callback<A, BrokenCall>((resume) => {
    const text = call.body === undefined ? undefined : JSON.stringify(call.body)
    const request = begin(call, text)
    const fail = (error: unknown) => resume(Effect.fail(describe(error)))
    request.on("error", fail)
    // However it ends: a switch of protocols, say, brings neither an error nor a response.
    request.on("close", fail)
    request.on("response", (response) => onResponse(response, fail, resume))
    request.end(text)
    return Effect.sync(() => request.destroy())
  })

const readWhole = (response: Http.IncomingMessage, fail: (error: unknown) => void, resume: Resume<Answer>) => {
  const chunks: Array<Buffer> = []
  let bytes = 0
  response.on("error", fail)
  response.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxAnswerBytes) response.destroy(oversized)
  })
  response.on("end", () => {
    const status = response.statusCode ?? 0
    resume(Effect.succeed({ status, headers: response.headers, text: utf8.decode(Buffer.concat(chunks)) }))
  })
}

/** Drops a byte order mark. */
const utf8 = new TextDecoder()

class ConnectTimeout extends Error {
  constructor(millis: number) {
    super(`no connection within ${counted(millis / 1000, "second")}`)
  }
}
const oversized = new Error("its answer is larger than any answer should be")

/** What a call comes to whose answer is not read to its end. */
export const oversizedAnswer: BrokenCall = { reached: true, oversized: true, reason: oversized.message }

const describe = (error: unknown): BrokenCall => {
  if (error instanceof ConnectTimeout) return { reached: false, oversized: false, reason: error.message }
  if (error === oversized) return oversizedAnswer
  const absent = whyUnreached(error)
  return { reached: absent === undefined, oversized: false, reason: absent ?? brokenConnection }
}
