import { isJsonObject } from "./Prompt.ts"

/** The most levels that a body may be nested: KoboldCpp's parser, and our own writer, give up far beyond it. */
const deepest = 100

/**
 * Why decoded JSON can't be sent on as it came, in words fit to be told; undefined if it can.
 *
 * A backend written in Python can't encode half of a surrogate pair, and answers `null`. A number too large for JSON's
 * reader has become infinite, and would be written as null.
 */
export const whyNotSendable = (json: unknown): string | undefined => {
  let level: ReadonlyArray<unknown> = [json]
  // Level by level: what is nested too deeply for the stack must not be walked on it.
  for (let depth = 0; depth <= deepest; depth++) {
    const below: Array<unknown> = []
    for (const value of level) {
      if (typeof value === "string" && !value.isWellFormed()) return "a text in it holds half of a surrogate pair"
      if (typeof value === "number" && !Number.isFinite(value)) return "a number in it is too large"
      if (Array.isArray(value)) for (const inner of value) below.push(inner)
      else if (isJsonObject(value)) for (const key in value) below.push(key, value[key])
    }
    if (below.length === 0) return undefined
    level = below
  }
  return `it is nested more than ${deepest} levels deep`
}
