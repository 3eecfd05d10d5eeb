import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import type { Programs } from "./Programs.ts"
import { untilSignal } from "./Signals.ts"
import { sourceFlags, sourcesOf, wrongSetting } from "./Sources.ts"

/** `ai-ticket serve`: the service, until a signal comes. */
export const serve = (run: Programs["serve"]) =>
  Command.make(
    "serve",
    sourceFlags,
    Effect.fnUntraced(function* (flags) {
      const sources = yield* sourcesOf(flags)
      yield* Effect.catchTag(untilSignal(run(sources)), "SettingsError", (error) =>
        Effect.fail(wrongSetting(flags)(error))
      )
    })
  ).pipe(
    Command.withDescription(
      "Starts the service. Settings come from flags, else from the environment, else from a .env file; ai-ticket config shows them"
    ),
    Command.withShortDescription("Starts the service")
  )
