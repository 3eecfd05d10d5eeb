import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { LineCounter, parseDocument } from "yaml"
import { type Configuration, decodeConfiguration, type SecretSource } from "../domain/Configuration.ts"
import { type BackendKind, backendKinds } from "./backends/Adapters.ts"
import { isToken } from "./SettingKinds.ts"
import { SettingsError } from "./SettingsSource.ts"
import type { GoodFile } from "./workers/LastGoodFile.ts"

/** A file of backends and routes that can't be used. */
export class ConfigFileError extends Schema.TaggedError<ConfigFileError>()("ConfigFileError", {
  file: Schema.String,
  /** Each with its path, an empty one for the file as a whole; nothing of them is a secret. */
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  /** One line for each problem. */
  get lines(): ReadonlyArray<string> {
    return this.problems.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`))
  }
  /** The same as a setting that stops the start. */
  asSettingsError(variable: string) {
    const expected = `a file of backends that can be used, but ${this.lines.join("; ")}`
    return new SettingsError({ variable, value: this.file, expected })
  }
}

/** Reads a variable of the environment, wherever the settings come from; empty if it isn't set. */
export type Lookup = (variable: string) => Effect.Effect<string>

/** A configuration as it was read, with the text that it was read from. */
export interface ConfigFile {
  readonly text: string
  readonly configuration: Configuration<BackendKind>
  /** The keys of the backends, by their names. */
  readonly keys: ReadonlyMap<string, Redacted.Redacted>
}

/** What a file of that name and text says, YAML or JSON, but for the secrets that it points to. */
export const decodeConfigFile = Effect.fnUntraced(function* (file: string, text: string) {
  const refusedFor = (problems: ConfigFileError["problems"]) => new ConfigFileError({ file, problems })
  const lines = new LineCounter()
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines })
  const value = Result.try((): unknown => document.toJS())
  if (document.errors.length > 0 || Result.isFailure(value)) {
    return yield* refusedWhole(file, "it is neither YAML nor JSON")
  }
  // Their values would be taken as they stand, which nobody who writes !env means.
  const tags = document.warnings
    .filter(({ code }) => code === "TAG_RESOLVE_FAILED")
    .map(({ pos }) => `line ${lines.linePos(pos[0]).line}: the tag ${text.slice(...pos)} means nothing here`)
  if (tags.length > 0) return yield* refusedFor(tags.map((message) => ({ path: "", message })))
  return yield* Effect.fromResult(Result.mapError(decodeConfiguration(backendKinds, value.success), refusedFor))
})

const refusedWhole = (file: string, message: string) => new ConfigFileError({ file, problems: [{ path: "", message }] })

/** Reads a file of backends and routes, and the secrets that it points to. Tells all that is wrong with it. */
export const readConfigFile = Effect.fnUntraced(function* (file: string, lookup: Lookup) {
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(files.readFileString(file), ({ reason }) =>
    refusedWhole(file, reason._tag === "NotFound" ? "there is no such file" : "it can't be read")
  )
  const configuration = yield* decodeConfigFile(file, text)
  const keys = new Map<string, Redacted.Redacted>()
  const problems: Array<{ readonly path: string; readonly message: string }> = []
  for (const [at, { key, name }] of configuration.backends.entries()) {
    if (key === undefined) continue
    const secret = yield* readSecret(key, lookup)
    if (isToken(secret)) keys.set(name, Redacted.make(secret))
    else problems.push({ path: `backends[${at}].key`, message: `${whereIs(key)} holds no key` })
  }
  return problems.length === 0
    ? ({ text, configuration, keys } satisfies ConfigFile)
    : yield* new ConfigFileError({ file, problems })
})

/** As it goes to other workers. */
export const toGoodFile = ({ keys, text }: ConfigFile): GoodFile => ({
  text,
  secrets: Object.fromEntries([...keys].map(([name, key]) => [name, Redacted.value(key)]))
})

/** As it came from another worker. */
export const fromGoodFile = (file: string, { secrets, text }: GoodFile): Effect.Effect<ConfigFile, ConfigFileError> =>
  Effect.map(decodeConfigFile(file, text), (configuration) => ({
    ...{ text, configuration },
    keys: new Map(Object.entries(secrets).map(([name, key]) => [name, Redacted.make(key)]))
  }))

const readSecret = (source: SecretSource, lookup: Lookup) =>
  "env" in source
    ? lookup(source.env)
    : Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(source.file)).pipe(
        Effect.map((text) => text.trim()),
        Effect.orElseSucceed(() => "")
      )

const whereIs = (source: SecretSource): string => ("env" in source ? `the variable ${source.env}` : source.file)
