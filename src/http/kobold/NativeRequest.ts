import * as Result from "effect/Result"
import { InvalidInputFormat, InvalidParameter, InvalidRequest } from "../../domain/Failure.ts"
import type { GenerationRequest } from "../../domain/Generation.ts"
import { isJsonObject, type JsonObject } from "../../domain/Prompt.ts"
import { whyNotSendable } from "../../domain/Sendable.ts"

/** What a client of KoboldCpp's protocol asks for, and what it calls it. */
export interface NativeRequest {
  readonly request: GenerationRequest
  /** Empty for none. */
  readonly genkey: string
}

/** A key is kept beside its generation: it must not be a way to fill the memory. */
const longestKey = 256

/** Fields in which another type than this makes some version of KoboldCpp hang, answer `null` or close without a word. */
const numbers = ["max_length", "max_context_length", "temperature", "rep_pen"] as const

/**
 * Reads a body of KoboldCpp's generate. What it would choke on is refused; all else goes to it as it came, but for the
 * key, which is between the client and us.
 */
export const readNative = (
  body: unknown
): Result.Result<NativeRequest, InvalidInputFormat | InvalidParameter | InvalidRequest> =>
  Result.gen(function* () {
    const fields = yield* readFields(body)
    if (Object.keys(fields).length === 0)
      return yield* Result.fail(new InvalidRequest({ details: "the body is empty" }))
    const genkey = yield* readKey(fields)
    const prompt = yield* readPrompt(fields)
    for (const name of numbers) {
      if (name in fields && !isNumber(fields[name])) return yield* Result.fail(mustBe(name, "a number"))
    }
    const { genkey: _, prompt: __, ...rest } = fields
    return { genkey, request: { _tag: "Native", prompt, fields: rest } }
  })

/** An object that can be sent on, whatever is in it. */
export const readFields = (body: unknown): Result.Result<JsonObject, InvalidInputFormat | InvalidRequest> => {
  if (!isJsonObject(body)) return Result.fail(new InvalidInputFormat())
  const problem = whyNotSendable(body)
  return problem === undefined ? Result.succeed(body) : Result.fail(new InvalidRequest({ details: problem }))
}

/** The name of a generation; absent and empty are the same. */
export const readKey = ({ genkey = "" }: JsonObject): Result.Result<string, InvalidParameter> =>
  typeof genkey === "string" && genkey.length <= longestKey
    ? Result.succeed(genkey)
    : Result.fail(mustBe("genkey", `a string of ${longestKey} characters at most`))

/** Absent is empty: KoboldCpp goes on from nothing. */
export const readPrompt = ({ prompt = "" }: JsonObject): Result.Result<string, InvalidParameter> =>
  typeof prompt === "string" ? Result.succeed(prompt) : Result.fail(mustBe("prompt", "a string"))

const mustBe = (parameter: string, expected: string) => new InvalidParameter({ parameter, expected })

/** Newer versions take the text of a number as well. */
const isNumber = (value: unknown): boolean =>
  typeof value === "number" || (typeof value === "string" && /^[+-]?\d+(?:\.\d+)?$/.test(value.trim()))
