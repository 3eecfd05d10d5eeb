import { createHash } from "node:crypto"
import { eventId } from "../../domain/Event.ts"
import type { Line } from "../../domain/JsonLines.ts"

/** Enough of a digest to tell the lines of any batch apart. */
const digits = 16

/**
 * Names events, so that a batch that is resumed knows them again: by their own id, or else by what their line says and how
 * many times the same line has come by then. The names of one input are the same whenever it is read from its beginning.
 */
export const makeNames = () => {
  const seen = new Map<string, number>()
  return (line: Line, event: unknown): string | number => {
    const own = eventId(event)
    if (own !== undefined) return own
    // Nothing is kept of a line that is too long.
    const digest =
      line.bytes === undefined
        ? "too-long"
        : createHash("sha256").update(withoutReturn(line.bytes)).digest("hex").slice(0, digits)
    const times = (seen.get(digest) ?? 0) + 1
    seen.set(digest, times)
    return `line-${digest}-${times}`
  }
}

/** The same line is the same with the line ends of another system. */
const withoutReturn = (bytes: Uint8Array): Uint8Array => (bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes)
