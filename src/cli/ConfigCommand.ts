import { displayWidth } from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { counted } from "../domain/Counted.ts"
import { type Lookup, readConfigFile } from "../services/ConfigFile.ts"
import { definitions } from "../services/Settings.ts"
import { lookupIn, type Origin, readSettings } from "../services/SettingsSource.ts"
import { readTokenFile } from "../services/TokenFile.ts"
import { failure } from "./CommandFailure.ts"
import { show, showPlain } from "./Output.ts"
import { sourceFlags, sourcesOf, wrongSetting } from "./Sources.ts"

interface Row {
  readonly variable: string
  /** Null when it isn't set; never a secret. */
  readonly value: string | null
  readonly from: string
  /** What was found where the value points to. */
  readonly note?: string
}

const rowOf = (variable: string, secret: boolean, origin: Origin): Row => ({
  variable,
  value: origin.text === undefined ? null : secret ? "(set)" : origin.text,
  from: origin.variable === variable ? origin.from : `${origin.from}, as ${origin.variable}`
})

const table = (rows: ReadonlyArray<Row>): string => {
  const cells = rows.map(({ from, note, value, variable }) => {
    const origin = note === undefined ? `(${from})` : `(${from}): ${note}`
    return [variable, value ?? "(unset)", origin] as const
  })
  const widthOf = (column: 0 | 1) => Math.max(...cells.map((cell) => displayWidth(cell[column])))
  const widths = [widthOf(0), widthOf(1)] as const
  const pad = (text: string, width: number) => text + " ".repeat(width - displayWidth(text))
  return cells
    .map(([variable, value, from]) => `${pad(variable, widths[0])}  ${pad(value, widths[1])}  ${from}`)
    .join("\n")
}

/** Tells what a file of backends holds, or line by line what is wrong with it. */
const checkFile = Effect.fnUntraced(function* (path: string, lookup: Lookup) {
  const { configuration } = yield* Effect.mapError(readConfigFile(path, lookup), ({ lines }) =>
    failure("usage", [`${path} can't be used:`, ...lines.map((line) => `  ${line}`)].join("\n"))
  )
  const { backends, routes } = configuration
  yield* showPlain(`${path} is good: ${counted(backends.length, "backend")}, ${counted(routes.length, "route")}.`)
})

/** `ai-ticket config`: what `serve` would go by, given the same flags. */
export const config = Command.make(
  "config",
  {
    ...sourceFlags,
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false)),
    check: Flag.String("check").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Check a file of backends and routes instead, and tell all that is wrong with it"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (flags) {
    if (Option.isSome(flags.check)) return yield* checkFile(flags.check.value, lookupIn(yield* sourcesOf(flags)))
    const wrong = wrongSetting(flags)
    const { origins, values } = yield* Effect.mapError(readSettings(definitions, yield* sourcesOf(flags)), wrong)
    const tokens =
      values.authTokenFile === undefined ? undefined : yield* Effect.result(readTokenFile(values.authTokenFile))
    const noteOn = (name: string) =>
      name === "authTokenFile" && tokens !== undefined
        ? { note: Result.isSuccess(tokens) ? counted(tokens.success.tokens.length, "token") : tokens.failure.problem }
        : {}
    const rows = Object.entries(definitions).map(([name, { secret, variable }]) => ({
      ...rowOf(variable, secret, origins[name as keyof typeof origins]),
      ...noteOn(name)
    }))
    yield* flags.json ? showPlain(JSON.stringify(rows, undefined, 2)) : show({ title: "Settings", text: table(rows) })
    // serve would not start with it.
    if (tokens !== undefined && Result.isFailure(tokens)) {
      return yield* wrong(tokens.failure.asSettingsError(definitions.authTokenFile.variable))
    }
  })
).pipe(
  Command.withDescription("Shows the settings that serve would have with the same flags, and where each comes from"),
  Command.withShortDescription("Shows the effective settings")
)
