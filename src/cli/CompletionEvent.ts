import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Said } from "./Heard.ts"
import { telling } from "./Refusal.ts"

const Delta = Schema.Struct({ delta: Schema.String, done: Schema.Boolean })
const Failure = Schema.Struct({ error: Schema.String, message: Schema.String, done: Schema.Literal(true) })
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Union([Delta, Failure])))

/** Reads an event of a streamed completion. */
export const readCompletionEvent = (data: string): Option.Option<Said> =>
  Option.map(decode(data), (event) => {
    if ("error" in event) return { _tag: "Failure", message: telling(event) }
    return event.done ? { _tag: "End" } : { _tag: "Text", text: event.delta }
  })
