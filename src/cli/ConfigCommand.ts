import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { definitions } from "../services/Settings.ts"
import { type Origin, readSettings } from "../services/SettingsSource.ts"
import { show, showPlain } from "./Output.ts"
import { sourceFlags, sourcesOf, wrongSetting } from "./Sources.ts"

interface Row {
  readonly variable: string
  /** Null when it isn't set; never a secret. */
  readonly value: string | null
  readonly from: string
}

const rowOf = (variable: string, secret: boolean, origin: Origin): Row => ({
  variable,
  value: origin.text === undefined ? null : secret ? "(set)" : origin.text,
  from: origin.variable === variable ? origin.from : `${origin.from}, as ${origin.variable}`
})

const table = (rows: ReadonlyArray<Row>): string => {
  const cells = rows.map(({ from, value, variable }) => [variable, value ?? "(unset)", `(${from})`] as const)
  const widthOf = (column: 0 | 1) => Math.max(...cells.map((cell) => cell[column].length))
  const widths = [widthOf(0), widthOf(1)] as const
  return cells
    .map(([variable, value, from]) => `${variable.padEnd(widths[0])}  ${value.padEnd(widths[1])}  ${from}`)
    .join("\n")
}

/** `ai-ticket config`: what `serve` would go by, given the same flags. */
export const config = Command.make(
  "config",
  { ...sourceFlags, json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false)) },
  Effect.fnUntraced(function* (flags) {
    const { origins } = yield* Effect.mapError(readSettings(definitions, yield* sourcesOf(flags)), wrongSetting(flags))
    const rows = Object.entries(definitions).map(([name, { secret, variable }]) =>
      rowOf(variable, secret, origins[name as keyof typeof origins])
    )
    yield* flags.json ? showPlain(JSON.stringify(rows, undefined, 2)) : show({ title: "Settings", text: table(rows) })
  })
).pipe(
  Command.withDescription("Shows the settings that serve would have with the same flags, and where each comes from"),
  Command.withShortDescription("Shows the effective settings")
)
