import * as Iterable from "effect/Iterable"
import * as Result from "effect/Result"
import { InvalidRequest } from "./Failure.ts"
import { isJsonObject, type JsonObject } from "./Prompt.ts"

/** A failure that names the place in the request. */
export const unusable = (parameter: string, problem: string) =>
  new InvalidRequest({ details: `${parameter} ${problem}`, parameter })

/**
 * Reads the messages of a chat, which go on as they came.
 *
 * Only that is refused on which KoboldCpp closes the connection without a word. An assistant's turn that calls tools may
 * lack its content: then it is empty.
 */
export const readMessages = (messages: unknown): Result.Result<ReadonlyArray<JsonObject>, InvalidRequest> => {
  if (!Array.isArray(messages) || messages.length === 0) {
    return Result.fail(unusable("messages", "must be a list of at least one message"))
  }
  return readEach(messages, (message, at) => readMessage(message, `messages[${at}]`))
}

/** As far as the first that is wrong: a body has room for half a million of them, and an error each costs seconds. */
const readEach = <A>(
  values: ReadonlyArray<unknown>,
  read: (value: unknown, at: number) => Result.Result<A, InvalidRequest>
): Result.Result<ReadonlyArray<A>, InvalidRequest> => Result.all(Iterable.map(values, read))

const readMessage = (message: unknown, place: string): Result.Result<JsonObject, InvalidRequest> => {
  if (!isJsonObject(message)) return Result.fail(unusable(place, "must be an object"))
  if (!isWord(message["role"])) return Result.fail(unusable(`${place}.role`, "must be a string"))
  const content = message["content"] ?? (callsTools(message) ? "" : undefined)
  if (Array.isArray(content)) return Result.map(readParts(content, `${place}.content`), () => message)
  if (typeof content !== "string") {
    return Result.fail(unusable(`${place}.content`, "must be a string or a list of parts"))
  }
  return Result.succeed(content === message["content"] ? message : { ...message, content })
}

const callsTools = ({ function_call: call, role, tool_calls: calls }: JsonObject): boolean =>
  role === "assistant" && ((Array.isArray(calls) && calls.length > 0) || isJsonObject(call))

const readParts = (parts: ReadonlyArray<unknown>, place: string): Result.Result<unknown, InvalidRequest> =>
  readEach(parts, (part, at) => readPart(part, `${place}[${at}]`))

/** The parts that KoboldCpp looks into; it passes over those of other types. */
const readPart = (part: unknown, place: string): Result.Result<unknown, InvalidRequest> => {
  if (!isJsonObject(part)) return Result.fail(unusable(place, "must be an object"))
  const { image_url: image, input_audio: audio, text, type } = part
  if (!isWord(type)) return Result.fail(unusable(`${place}.type`, "must be a string"))
  if (type === "text" && typeof text !== "string") return Result.fail(unusable(`${place}.text`, "must be a string"))
  if (type === "image_url" && !holdsText(image, "url")) {
    return Result.fail(unusable(`${place}.image_url`, "must be an object with a url"))
  }
  if (type === "input_audio" && !holdsText(audio, "data")) {
    return Result.fail(unusable(`${place}.input_audio`, "must be an object with data"))
  }
  return Result.succeed(part)
}

const holdsText = (value: unknown, name: string): boolean => isJsonObject(value) && typeof value[name] === "string"

const isWord = (value: unknown): value is string => typeof value === "string" && value !== ""
