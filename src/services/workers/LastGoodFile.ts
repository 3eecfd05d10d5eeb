import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type ConfigFile, type ConfigFileError, decodeConfigFile } from "../ConfigFile.ts"
import { Fellows } from "./Fellows.ts"

/** A file of backends as it goes from one worker to another, with the keys that it points to. */
export interface ToldFile {
  readonly text: string
  readonly keys: Readonly<Record<string, string>>
}

/** Leaves with the keeper, if there is one, what whoever comes later can begin with. */
export const rememberFile = ({ keys, text }: ConfigFile): Effect.Effect<void> =>
  Effect.map(Fellows, (fellows) => {
    const plain = [...keys].map(([name, key]) => [name, Redacted.value(key)] as const)
    fellows?.keeper.tell({ tell: "backends", file: { text, keys: Object.fromEntries(plain) } })
  })

/**
 * For a worker that takes the place of one that crashed: what the others go on with, where the file of backends can't be
 * used any more. Everybody else is told why it can't.
 */
export const lastGoodFile = (error: ConfigFileError): Effect.Effect<ConfigFile, ConfigFileError> =>
  Effect.gen(function* () {
    const fellows = yield* Fellows
    const told = fellows && (yield* Effect.orElseSucceed(fellows.keeper.ask("backends", null), () => null))
    if (!told) return yield* error
    const configuration = yield* decodeConfigFile(error.file, told.text)
    const keys = new Map(Object.entries(told.keys).map(([name, key]) => [name, Redacted.make(key)]))
    return { text: told.text, configuration, keys }
  })
