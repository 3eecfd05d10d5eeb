import * as Console from "effect/Console"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Accent } from "./Accent.ts"
import { batch } from "./Batch.ts"
import { chat } from "./Chat.ts"
import { type CommandFailure, failure } from "./CommandFailure.ts"
import { config } from "./ConfigCommand.ts"
import { health } from "./Health.ts"
import { tell } from "./Output.ts"
import type { Programs } from "./Programs.ts"
import { prompt } from "./Prompt.ts"
import { serve } from "./Serve.ts"
import { simulate } from "./Simulate.ts"
import { top } from "./Top.ts"

const root = (programs: Programs) =>
  Command.make("ai-ticket").pipe(
    Command.withDescription("A service in front of self-hosted language models: events in, one structured answer out"),
    Command.withSubcommands([
      prompt,
      chat,
      batch,
      health,
      top,
      serve(programs.serve),
      simulate(programs.simulate),
      config
    ]),
    Command.withGlobalFlags([Accent])
  )

/** Help that was asked for is a result; help that comes instead of one, and every usage error, is not. */
const presenter: CliOutput.Presenter = {
  present: (event) => {
    if (event._tag === "InvalidInvocation") {
      const messages = event.errors.map((error) => `ai-ticket: ${error.message}`).join("\n")
      return Effect.asVoid(Console.error(`${messages}\nSee ${event.commandPath.join(" ")} --help.`))
    }
    const shown = CliOutput.defaultPresenter.present(event)
    if (event._tag === "Version" || event.reason === "Requested") return shown
    return Console.consoleWith((console) =>
      Effect.provideService(shown, Console.Console, { ...console, log: console.error })
    )
  }
}

const look = Layer.mergeAll(
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
  CliOutput.layerPresenter(presenter),
  TerminalCapabilities.layer
)

/**
 * The whole command line: runs the arguments of `Stdio`, and fails with a `CommandFailure` that has been told on stderr
 * and carries the exit code.
 */
export const run = (programs: Programs, version: string) =>
  Command.run(root(programs), { version }).pipe(
    Effect.mapError((error) => (CliError.isCliError(error) ? usage(error) : error)),
    Effect.tapError((error) => (error.message === "" ? Effect.void : tell(`ai-ticket: ${error.message}`))),
    Effect.provide(look)
  )

/** The presenter has told what `ShowHelp` brings. */
const usage = (error: CliError.CliError): CommandFailure =>
  failure("usage", error._tag === "ShowHelp" ? "" : error.message)
