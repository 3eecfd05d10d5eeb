import { validateHeaderValue } from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { CutShort } from "../../domain/Failure.ts"
import { brokenConnection, isUntrusted, whyUnreached } from "../SocketErrors.ts"
import { type ChunkReader, readChunks } from "./ChunkReader.ts"
import { ConnectTimeout, type Exchange, exchange, HandshakeFailure, type Place, placeOf } from "./Exchange.ts"
import { Pieces } from "./Pieces.ts"
import type { ResponseHead } from "./ResponseParser.ts"

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
export interface Answer extends ResponseHead {
  readonly text: string
}

/** An answer whose head has come; its body is read as it comes. */
export interface OpenAnswer extends ResponseHead {
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
 * Sockets, and a parser of ours: Node's client takes two thirds more CPU for a call (docs/adr/0006).
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
    const placeFor = (target: Target): Place => {
      const place = known.get(target) ?? placeOf(target.base, target.connectMillis ?? usualConnectMillis)
      known.set(target, place)
      return place
    }
    return Transport.of({
      call: (call) => whole(placeFor(call.target), call),
      open: (call) =>
        Effect.map(
          Effect.acquireRelease(
            opened(placeFor(call.target), call),
            ({ connection }) => Effect.sync(() => connection.close()),
            { interruptible: true }
          ),
          ({ chunks, head }) => ({ ...head, chunks })
        )
    })
  })
}

const whole = (place: Place, call: Call) =>
  Effect.callback<Answer, BrokenCall>((resume) => {
    const pieces = new Pieces()
    let head: ResponseHead | undefined
    const connection = exchange(place, requestOf(place, call), {
      head: (told) => {
        head = told
      },
      body: (piece) => {
        pieces.push(piece)
        if (pieces.size <= maxAnswerBytes) return
        connection.close()
        resume(Effect.fail(oversizedAnswer))
      },
      end: () => {
        if (head !== undefined) resume(Effect.succeed({ ...head, text: pieces.text() }))
      },
      broken: (error) => resume(Effect.fail(describe(error)))
    })
    return Effect.sync(() => connection.close())
  })

interface Opened {
  readonly connection: Exchange
  readonly head: ResponseHead
  readonly chunks: ChunkReader<BrokenCall | CutShort>
}

const opened = (place: Place, call: Call) =>
  Effect.callback<Opened, BrokenCall>((resume) => {
    let begun = false
    const { end, fail, push, reader } = readChunks<BrokenCall | CutShort>({
      pause: () => connection.pause(),
      resume: () => connection.resume()
    })
    const connection: Exchange = exchange(place, requestOf(place, call), {
      head: (head) => {
        begun = true
        resume(Effect.succeed({ connection, head, chunks: reader }))
      },
      body: push,
      end,
      broken: (error) => (begun ? fail(describe(error)) : resume(Effect.fail(describe(error))))
    })
    return Effect.sync(() => connection.close())
  })

/** All that is sent. */
const requestOf = (place: Place, { body, headers, method, path }: Call): string | Buffer => {
  let head = `${method} ${place.path}${path} HTTP/1.1\r\nHost: ${place.host}\r\nConnection: close\r\n`
  for (const name in headers) {
    const value = headers[name] ?? ""
    validateHeaderValue(name, value)
    head += `${name}: ${value}\r\n`
  }
  const text = body === undefined ? "" : JSON.stringify(body)
  if (body !== undefined) head += `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`
  head += "\r\n"
  // Node reads a byte of a field as a character, and a caller's baggage goes on as it came.
  return beyondAscii.test(head) ? Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(text)]) : head + text
}

const beyondAscii = /[\x80-\xff]/

/** What a call comes to whose answer is not read to its end. */
export const oversizedAnswer: BrokenCall = {
  ...{ reached: true, oversized: true },
  reason: "its answer is larger than any answer should be"
}

const describe = (error: unknown): BrokenCall => {
  if (error instanceof ConnectTimeout) return { reached: false, oversized: false, reason: error.message }
  const absent = whyUnreached(error) ?? (error instanceof HandshakeFailure ? whyInsecure(error) : undefined)
  return { reached: absent === undefined, oversized: false, reason: absent ?? brokenConnection }
}

const whyInsecure = (error: HandshakeFailure): string =>
  isUntrusted(error) ? "its certificate isn't trusted" : error.message
