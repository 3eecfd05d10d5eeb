import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { counted } from "../domain/Counted.ts"
import { planOf } from "./BackendPlan.ts"
import { Backends } from "./Backends.ts"
import { readConfigFile, toGoodFile } from "./ConfigFile.ts"
import { definitions, Settings } from "./Settings.ts"
import { rememberFile } from "./workers/LastGoodFile.ts"

/** Ticks when somebody asks for the file to be read again: a signal. */
export const ReloadRequests = Context.Reference<Stream.Stream<void>>("ai-ticket/services/ConfigReload/Requests", {
  defaultValue: () => Stream.never
})

/** How often the file is looked at: what a second's work of an operator may take to count. */
const interval = "1 second"

/**
 * Applies the file of backends when it changes, and when asked to. It is applied whole or not at all: a file that can't be
 * used changes nothing, and the log says why, once for each such file.
 */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { configFile, lookup } = yield* Settings
    const requests = yield* ReloadRequests
    const { variable } = definitions.configFile
    /** From the beginning on: a SIGHUP that nobody listens for ends the process, and with it what is in hand. */
    const whenAsked = <E, R>(load: Effect.Effect<void, E, R>) =>
      Effect.forkScoped(
        Stream.runForEach(requests, () => load),
        { startImmediately: true }
      )
    if (configFile === undefined) {
      return yield* whenAsked(Effect.logInfo(`There is nothing to read again: ${variable} is not set`))
    }
    const files = yield* FileSystem.FileSystem
    const backends = yield* Backends
    let seen = yield* Effect.orElseSucceed(files.readFileString(configFile), () => "")

    const load = (asked: boolean) =>
      Effect.gen(function* () {
        const text = yield* Effect.orElseSucceed(files.readFileString(configFile), () => "")
        if (text === seen && !asked) return
        // A file that is written to while it is read can come out cut: what is new must be there twice.
        if (text !== (yield* Effect.orElseSucceed(files.readFileString(configFile), () => ""))) return
        seen = text
        const file = yield* readConfigFile(configFile, lookup)
        yield* backends.apply(yield* planOf(file))
        yield* rememberFile("backends", toGoodFile(file))
        yield* Effect.logInfo(`${variable} was read again: ${counted(file.configuration.backends.length, "backend")}`)
      }).pipe(
        Effect.catchTag("ConfigFileError", ({ lines }) =>
          Effect.logWarning(`${variable} can't be used, and nothing was changed: ${lines.join("; ")}`)
        )
      )

    yield* Effect.forkScoped(Effect.schedule(load(false), Schedule.spaced(interval)))
    return yield* whenAsked(load(true))
  })
)
