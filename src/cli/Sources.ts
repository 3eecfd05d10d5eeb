import * as ConfigProvider from "effect/ConfigProvider"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { SettingsError, Source } from "../services/SettingsSource.ts"
import { failure } from "./CommandFailure.ts"
import { flagSource, flagThatGave, type GivenFlags, settingFlags } from "./SettingFlags.ts"

const usualFile = ".env"

/** The flags that settings come from, for `serve` and `config`. */
export const sourceFlags = {
  settings: settingFlags,
  // Not --env-file: Node takes that one for itself, even behind the program's name.
  file: Flag.String("settings-file").pipe(
    Flag.withMetavar("PATH"),
    Flag.withDescription(
      `A file with settings that neither a flag nor the environment gives (${usualFile}, if there is one)`
    ),
    Flag.optional
  )
}

export interface SourceFlags {
  readonly settings: GivenFlags
  readonly file: Option.Option<string>
}

/** Everything that settings come from, the strongest first: flags, environment, `.env` file. */
export const sourcesOf = Effect.fnUntraced(function* (flags: SourceFlags) {
  const environment = yield* ConfigProvider.ConfigProvider
  const file = yield* dotEnvFile(flags.file)
  return [
    flagSource(flags.settings),
    { name: "environment", provider: environment },
    ...Option.toArray(file)
  ] satisfies ReadonlyArray<Source>
})

/** The file's settings. Only the usual one may be missing; one that is there must be readable. */
const dotEnvFile = (named: Option.Option<string>) => {
  const path = Option.getOrElse(named, () => usualFile)
  return Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)).pipe(
    Effect.map(
      (text): Option.Option<Source> =>
        Option.some({ name: ".env file", provider: ConfigProvider.fromDotEnvContents(text) })
    ),
    Effect.catch((error) =>
      error.reason._tag === "NotFound" && Option.isNone(named)
        ? Effect.succeedNone
        : Effect.fail(failure("usage", `The file ${JSON.stringify(path)} can't be read: ${error.reason._tag}.`))
    )
  )
}

/** A wrong setting, told with the flag that gave it. */
export const wrongSetting = (flags: SourceFlags) => (error: SettingsError) => {
  const flag = flagThatGave(flags.settings, error.variable)
  return failure("usage", flag === undefined ? error.message : `${flag}: ${error.message}`)
}
