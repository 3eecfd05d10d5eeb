import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isBlank, type Line } from "../../domain/JsonLines.ts"

/** How an event ended. */
export type EventOutcome = "ok" | "failed"

/** What a line of an output is: a result, a blank one, the half of a result, or nothing of ours. */
export type ResultLine =
  | { readonly _tag: "Result"; readonly id: string | number | null; readonly outcome: EventOutcome }
  | { readonly _tag: "Blank" | "Half" | "Foreign" }

const place = { index: Schema.Int, id: Schema.NullOr(Schema.Union([Schema.String, Schema.Finite])) }
const decodeResult = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Union([
      Schema.Struct({ ...place, completion: Schema.String }),
      Schema.Struct({ ...place, error: Schema.String })
    ])
  )
)

/** How every result begins: the half of one agrees with it as far as it goes. */
const beginning = '{"index":'

export const readResultLine = (line: Line): ResultLine => {
  if (line.bytes === undefined) return { _tag: "Foreign" }
  const text = Buffer.from(line.bytes).toString()
  // Its line feed makes it whole.
  if (line.bytes.length === line.size) {
    return { _tag: beginning.startsWith(text.slice(0, beginning.length)) ? "Half" : "Foreign" }
  }
  if (isBlank(line)) return { _tag: "Blank" }
  return Option.match(decodeResult(text), {
    onNone: () => ({ _tag: "Foreign" }),
    onSome: (result) => ({ _tag: "Result", id: result.id, outcome: "error" in result ? "failed" : "ok" })
  })
}
