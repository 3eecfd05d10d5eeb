import * as Net from "node:net"
import * as Tls from "node:tls"
import { counted } from "../../domain/Counted.ts"
import { type ResponseHead, ResponseParser } from "./ResponseParser.ts"

/** Where calls go. */
export interface Place {
  /**
   * Begins a connection; its socket fails with `ConnectTimeout` if it isn't there in time. What comes is read into one
   * buffer for all connections: it is gone when `onBytes` returns.
   */
  readonly connect: (onBytes: (bytes: Buffer) => void) => Net.Socket
  /** Whether a handshake follows upon the connection. */
  readonly secure: boolean
  /** For the `Host` field. */
  readonly host: string
  /** What comes before the path of a call, without a slash at its end. */
  readonly path: string
}

/** What is heard of an exchange, in this order; after `end` or `broken` nothing more. */
export interface ExchangeListener {
  readonly head: (head: ResponseHead) => void
  /** The bytes are gone when it returns. */
  readonly body: (bytes: Buffer) => void
  readonly end: () => void
  /** With the socket's error, if it had one. */
  readonly broken: (error: unknown) => void
}

/** A connection while something is said over it. */
export interface Exchange {
  /** Reads no further, until it is resumed. */
  readonly pause: () => void
  readonly resume: () => void
  /** Closes the connection; nothing is heard any more. */
  readonly close: () => void
}

/** Sends a whole request over a connection of its own, which closes with the end of the answer. */
export const exchange = (place: Place, request: string | Buffer, listener: ExchangeListener): Exchange => {
  // Let go of when it is over: Node's objects live on for a while, and the whole of a request must not live with them.
  let listening: ExchangeListener | undefined = listener
  let begun = !place.secure
  const close = () => {
    listening = undefined
    socket.destroy()
  }
  const broken = (error?: unknown) => {
    const told = listening
    if (told === undefined) return
    close()
    told.broken(begun || error instanceof ConnectTimeout ? error : new HandshakeFailure(error))
  }
  const parser: ResponseParser = new ResponseParser({
    head: (head) => listening?.head(head),
    body: (bytes) => listening?.body(bytes),
    end: () => {
      const told = listening
      close()
      told?.end()
    },
    broken
  })
  const socket: Net.Socket = place.connect((bytes) => {
    if (listening !== undefined) parser.read(bytes)
  })
  if (place.secure) {
    socket.once("secureConnect", () => {
      begun = true
    })
  }
  socket.on("end", () => parser.close())
  socket.on("error", broken)
  socket.on("close", () => broken())
  socket.write(request)
  return { pause: () => socket.pause(), resume: () => socket.resume(), close }
}

/** How a place is reached, by its URL. */
export const placeOf = (base: string, connectMillis: number): Place => {
  const { host: named, hostname, pathname, port, protocol } = new URL(base)
  const host = hostname.replace(/^\[|\]$/g, "")
  const secure = protocol === "https:"
  const to = { host, port: port === "" ? (secure ? 443 : 80) : Number(port), noDelay: true }
  /** Lets a further connection take up where the last one was, without the whole of a handshake. */
  let session: Buffer | undefined
  const connectSafely = (reading: Reading) => {
    const name = Net.isIP(host) === 0 ? { servername: host } : {}
    const known = session === undefined ? {} : { session }
    return Tls.connect({ ...to, ...reading, ...name, ...known, ALPNProtocols: ["http/1.1"] }).on("session", (fresh) => {
      session = fresh
    })
  }
  return {
    connect: (onBytes) => {
      const reading = { onread: { buffer: common, callback: (count: number) => take(onBytes, count) } }
      return secure
        ? inTime(connectSafely(reading), connectMillis, "secureConnect")
        : inTime(Net.connect({ ...to, ...reading }), connectMillis, "connect")
    },
    secure,
    host: named,
    path: pathname.replace(/\/+$/, "")
  }
}

/** What all connections read into, one after the other. Node would make a buffer of 64 KiB for each reading. */
const common = Buffer.alloc(64 * 1024)

const take = (onBytes: (bytes: Buffer) => void, count: number): true => {
  onBytes(common.subarray(0, count))
  return true
}

type Reading = Pick<Net.SocketConstructorOpts, "onread">

/** Only for connecting: the deadline is the timeout of an answer, and a slow model is silent for minutes. */
const inTime = (socket: Net.Socket, millis: number, there: "connect" | "secureConnect"): Net.Socket => {
  const late = () => socket.destroy(new ConnectTimeout(millis))
  return socket.setTimeout(millis, late).once(there, () => socket.setTimeout(0, late))
}

/** There was no connection in time. */
export class ConnectTimeout extends Error {
  constructor(millis: number) {
    super(`no connection within ${counted(millis / 1000, "second")}`)
  }
}

/** What was to be sent never was, for there was no secure connection to send it over. */
export class HandshakeFailure extends Error {
  constructor(cause: unknown) {
    super("no secure connection could be made", { cause })
  }
}
