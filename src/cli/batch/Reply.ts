import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type ErrorCode, errorCatalogue } from "../../domain/ErrorCatalogue.ts"
import { isJsonObject, type JsonObject } from "../../domain/Prompt.ts"
import type { CommandFailure } from "../CommandFailure.ts"
import { notOurs, refusal } from "../Refusal.ts"
import type { Answer } from "../Server.ts"

/** What an event was told in the end. */
export interface Told {
  readonly code: "ok" | ErrorCode
  /** As it stands in the result. */
  readonly body: object
  readonly tokens: { readonly prompt: number; readonly completion: number }
}

/** What an answer means for its event. */
export type Reply =
  | { readonly _tag: "Told"; readonly told: Told }
  /** Worth another try; if there is none, this is what it was told. */
  | { readonly _tag: "Refused"; readonly told: Told }
  /** Nobody of ours answered, but somebody in between who is in trouble. */
  | { readonly _tag: "Lost" }
  /** Every other event would be told the same. */
  | { readonly _tag: "Stop"; readonly failure: CommandFailure }

const passing: ReadonlySet<string> = new Set<ErrorCode>([
  "rate_limited",
  "overloaded",
  "no_backend_available",
  "shutting_down",
  "request_timeout"
])

const everyone: ReadonlySet<string> = new Set<ErrorCode>([
  "unauthorised",
  "forbidden",
  "not_found",
  "method_not_allowed"
])

export const readReply = (answer: Answer, serverUrl: string): Reply => {
  const body = parse(answer.text)
  const { status } = answer
  if (status === 200) {
    return typeof body?.["completion"] === "string"
      ? { _tag: "Told", told: { code: "ok", body, tokens: tokensOf(body) } }
      : { _tag: "Stop", failure: notOurs(serverUrl, "has no completion") }
  }
  const code = body?.["error"]
  if (body === undefined || !isErrorCode(code)) {
    return status === 429 || status >= 500 ? { _tag: "Lost" } : { _tag: "Stop", failure: refusal(answer) }
  }
  if (everyone.has(code)) return { _tag: "Stop", failure: refusal(answer) }
  return { _tag: passing.has(code) ? "Refused" : "Told", told: failed(code, body) }
}

export const failed = (code: ErrorCode, body: object): Told => ({ code, body, tokens: { prompt: 0, completion: 0 } })

const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === "string" && Object.hasOwn(errorCatalogue, code)

const parse = (text: string): JsonObject | undefined => {
  const value = Result.getOrUndefined(Result.try((): unknown => JSON.parse(text)))
  return isJsonObject(value) ? value : undefined
}

const decodeUsage = Schema.decodeUnknownOption(
  Schema.Struct({ prompt_tokens: Schema.Finite, completion_tokens: Schema.Finite })
)

const tokensOf = (body: JsonObject): Told["tokens"] =>
  Option.match(decodeUsage(body["usage"]), {
    onNone: () => ({ prompt: 0, completion: 0 }),
    onSome: ({ completion_tokens, prompt_tokens }) => ({ prompt: prompt_tokens, completion: completion_tokens })
  })
