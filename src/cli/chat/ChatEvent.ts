import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Said } from "../Heard.ts"
import { type ToldError, telling } from "../Refusal.ts"

const Choice = Schema.Struct({
  delta: Schema.Struct({ content: Schema.optionalKey(Schema.NullOr(Schema.String)) }),
  finish_reason: Schema.NullOr(Schema.String)
})
const Chunk = Schema.Struct({ choices: Schema.Array(Choice) })
const Failure = Schema.Struct({
  error: Schema.Struct({ message: Schema.String, code: Schema.String })
})
const decodeEvent = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Union([Chunk, Failure])))
const decodeFailure = Schema.decodeUnknownOption(Schema.fromJsonString(Failure))

const toldError = ({ error: { code, message } }: typeof Failure.Type): ToldError => ({ error: code, message })

/** Reads an event of a streamed chat, in OpenAI's shape. */
export const readChatEvent = (data: string): Option.Option<Said> => {
  if (data === "[DONE]") return Option.some({ _tag: "End" })
  return Option.map(decodeEvent(data), (event) => {
    if ("error" in event) return { _tag: "Failure", message: telling(toldError(event)) }
    return { _tag: "Text", text: event.choices[0]?.delta.content ?? "" }
  })
}

/** What a refused chat was told, in OpenAI's shape. */
export const readChatRefusal = (text: string): Option.Option<ToldError> => Option.map(decodeFailure(text), toldError)
