import * as Result from "effect/Result"
import { compactJson } from "./CompactJson.ts"

/** A JSON object as it came over the wire. */
export type JsonObject = Readonly<Record<string, unknown>>

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What an event's `content` says: the prompt, if it holds one, and the object that may carry parameters. */
export interface ExtractedContent {
  readonly prompt: string | undefined
  readonly object: JsonObject | undefined
}

/**
 * Turns the payload shapes of section "Events" in the README into one prompt.
 *
 * The prompt is never trimmed; a prompt of white space alone counts as none.
 */
export const extractContent = (content: unknown): ExtractedContent => {
  if (typeof content === "string") return fromText(content)
  const object = isJsonObject(content) ? content : undefined
  return { prompt: usable(fromValue(content) ?? scalarText(content)), object }
}

const fromText = (text: string): ExtractedContent => {
  const decoded = parseJson(text)
  if (Result.isFailure(decoded)) return { prompt: usable(text), object: undefined }
  const value = decoded.success
  if (typeof value === "string") return { prompt: usable(value), object: undefined }
  return {
    prompt: usable(fromValue(value) ?? compactJson(text)),
    object: isJsonObject(value) ? value : undefined
  }
}

const fromValue = (value: unknown): string | undefined => {
  if (Array.isArray(value)) return fromParts(value)
  return isJsonObject(value) ? fromObject(value) : undefined
}

const fromObject = (object: JsonObject): string | undefined => {
  const messages = object["messages"]
  const userText = Array.isArray(messages) ? join(messages.map(userContent)) : undefined
  return userText ?? nonEmpty(object["prompt"])
}

const userContent = (message: unknown): string | undefined =>
  isJsonObject(message) && message["role"] === "user" ? nonBlank(message["content"]) : undefined

const fromParts = (parts: ReadonlyArray<unknown>): string | undefined =>
  join(parts.map((part) => (isJsonObject(part) ? fromObject(part) : nonBlank(part))))

const join = (parts: ReadonlyArray<string | undefined>): string | undefined => {
  const found = parts.filter((part) => part !== undefined)
  return found.length === 0 ? undefined : found.join("\n")
}

/** The JSON text of a number or boolean; a number too large for JSON has none. */
const scalarText = (value: unknown): string | undefined => {
  if (typeof value === "boolean") return String(value)
  return typeof value === "number" && Number.isFinite(value) ? JSON.stringify(value) : undefined
}

const nonEmpty = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

const nonBlank = (value: unknown): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value : undefined

const usable = nonBlank

const parseJson = (text: string): Result.Result<unknown, unknown> => Result.try((): unknown => JSON.parse(text))
