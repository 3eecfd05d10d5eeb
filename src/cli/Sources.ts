import * as ConfigProvider from "effect/ConfigProvider"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { definitions } from "../services/Settings.ts"
import { readSettings, type SettingsError, type Source } from "../services/SettingsSource.ts"
import { failure } from "./CommandFailure.ts"
import { flagSource, flagThatGave, type GivenFlags, settingFlags } from "./SettingFlags.ts"

const usualFile = ".env"

/** The flags that settings come from, for `serve` and `config`. */
export const sourceFlags = {
  settings: settingFlags,
  threads: Flag.String("threads").pipe(
    Flag.withMetavar("VALUE"),
    Flag.withDescription(
      `Requests in flight per worker, instead of --slots: ${definitions.slots.variable} is so many for each of ${definitions.workers.variable}`
    ),
    Flag.optional
  ),
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
  readonly threads: Option.Option<string>
  readonly file: Option.Option<string>
}

/** Everything that settings come from, the strongest first: flags, environment, `.env` file. */
export const sourcesOf = Effect.fnUntraced(function* (flags: SourceFlags) {
  const environment = yield* ConfigProvider.ConfigProvider
  const file = yield* dotEnvFile(flags.file)
  const sourcesWith = (given: GivenFlags) =>
    [
      flagSource(given),
      { name: "environment", provider: environment },
      ...Option.toArray(file)
    ] satisfies ReadonlyArray<Source>
  const sources = sourcesWith(flags.settings)
  if (Option.isNone(flags.threads)) return sources
  if (Option.isSome(flags.settings.slots)) {
    return yield* failure("usage", "--threads and --slots say the same in two ways: give one of them.")
  }
  const slots = Option.some(yield* slotsOf(flags.threads.value, sources))
  return sourcesWith({ ...flags.settings, slots })
})

/** The slots of all workers, who share them. What is wrong with either number is told when the settings are read. */
const slotsOf = Effect.fnUntraced(function* (threads: string, sources: ReadonlyArray<Source>) {
  const each = Result.getOrUndefined(definitions.slots.decode(threads))
  if (each === undefined) return threads
  const { values } = yield* Effect.orElseSucceed(readSettings({ workers: definitions.workers }, sources), () => ({
    values: { workers: 1 }
  }))
  return String(each * values.workers)
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
  const flag =
    error.variable === definitions.slots.variable && Option.isSome(flags.threads)
      ? "--threads"
      : flagThatGave(flags.settings, error.variable)
  return failure("usage", flag === undefined ? error.message : `${flag}: ${error.message}`)
}
