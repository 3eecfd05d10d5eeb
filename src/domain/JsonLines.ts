import * as Result from "effect/Result"
import { InvalidRequest, PayloadTooLarge } from "./Failure.ts"

/** A line of a text that came in pieces. */
export interface Line {
  /** Without its line feed; undefined if it was over the limit. */
  readonly bytes: Uint8Array | undefined
  /** All that it took of the text, its line feed too. */
  readonly size: number
}

/** Cuts a text into its lines as its pieces come; of an over-long line nothing is kept. */
export interface LineSplitter {
  /** The lines that end in this piece. */
  readonly push: (piece: Uint8Array) => ReadonlyArray<Line>
  /** The last line, if the text didn't end with a line feed. */
  readonly end: () => ReadonlyArray<Line>
  /** How many bytes have come so far of over-long lines, of which nothing is kept. */
  readonly passedOver: () => number
}

const lineFeed = 0x0a

export interface SplitterOptions {
  /** Gives a run of blank lines as one: a body may have millions, and each costs whoever passes it on. */
  readonly blankRuns?: boolean
}

export const makeLineSplitter = (limitBytes: number, { blankRuns = false }: SplitterOptions = {}): LineSplitter => {
  let parts: Array<Uint8Array> = []
  let size = 0
  let passedOver = 0

  const add = (part: Uint8Array) => {
    const kept = size > limitBytes ? 0 : size
    size += part.length
    if (size <= limitBytes) return void parts.push(part)
    passedOver += kept + part.length
    parts = []
  }

  const finish = (feed: number): Line => {
    const bytes = size > limitBytes ? undefined : joined(parts, size)
    if (bytes === undefined) passedOver += feed
    const line = { bytes, size: size + feed }
    parts = []
    size = 0
    return line
  }

  return {
    push: (piece) => {
      const lines: Array<Line> = []
      let from = 0
      const passRun = () => {
        const end = blankRuns && size === 0 ? endOfBlankLines(piece, from) : from
        if (end > from) lines.push({ bytes: nothing, size: end - from })
        from = end
      }
      passRun()
      for (let at = piece.indexOf(lineFeed, from); at >= 0; at = piece.indexOf(lineFeed, from)) {
        add(piece.subarray(from, at))
        lines.push(finish(1))
        from = at + 1
        passRun()
      }
      if (from < piece.length) add(piece.subarray(from))
      return lines
    },
    end: () => (size === 0 ? [] : [finish(0)]),
    passedOver: () => passedOver
  }
}

const endOfBlankLines = (piece: Uint8Array, from: number): number => {
  let end = from
  for (let at = from; at < piece.length; at++) {
    const byte = piece[at] ?? 0
    if (byte === lineFeed) end = at + 1
    else if (!whiteSpace.has(byte)) break
  }
  return end
}

const nothing = new Uint8Array(0)

const joined = (parts: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const [first] = parts
  if (size === 0) return nothing
  if (parts.length === 1 && first !== undefined) return first
  const whole = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Whether there is nothing but white space on it. */
export const isBlank = ({ bytes }: Line): boolean => bytes?.every((byte) => whiteSpace.has(byte)) ?? false

/** JSON's own. */
const whiteSpace = new Set([0x20, 0x09, 0x0a, 0x0d])

/** What a line says, or why it says nothing. */
export const readLine = (
  { bytes }: Line,
  limitBytes: number
): Result.Result<unknown, InvalidRequest | PayloadTooLarge> => {
  if (bytes === undefined) return Result.fail(new PayloadTooLarge({ limitBytes, what: "line" }))
  return Result.flatMap(decodeUtf8(bytes), parseJson)
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

const decodeUtf8 = (bytes: Uint8Array) =>
  Result.mapError(
    Result.try(() => utf8.decode(bytes)),
    () => new InvalidRequest({ details: "the line is not UTF-8" })
  )

const parseJson = (text: string) =>
  Result.mapError(
    Result.try((): unknown => JSON.parse(text)),
    () => new InvalidRequest({ details: "the line is not JSON" })
  )
