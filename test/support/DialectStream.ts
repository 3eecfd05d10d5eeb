import * as Schema from "effect/Schema"
import { type Dialect, SimulatorOptions } from "../../src/simulator/Options.ts"
import { koboldCppStream } from "../../src/simulator/StreamWire.ts"

export const dialects: ReadonlyArray<Dialect> = ["1.76", "1.104"]

/** The bytes of a stream as that version of KoboldCpp writes them, event by event: a text in each, the end with the last. */
export const dialectStream = (
  dialect: Dialect,
  endpoint: "chat" | "completion" | "generate",
  texts: ReadonlyArray<string>,
  reason: "stop" | "length" = "stop"
): ReadonlyArray<string> => {
  const wire = koboldCppStream(endpoint, Schema.decodeSync(SimulatorOptions)({ dialect, model: "koboldcpp/scripted" }))
  return [
    ...texts.slice(0, -1).map((text) => wire.text(text, 1)),
    wire.end({ text: texts.at(-1) ?? "", reason, usage: undefined }, 1)
  ]
}
