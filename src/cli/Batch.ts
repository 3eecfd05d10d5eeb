import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { serverUrl, token } from "./Asking.ts"
import { runBatch } from "./batch/Run.ts"
import { failure } from "./CommandFailure.ts"
import { samplingFlags } from "./SamplingFlags.ts"
import { seconds } from "./Seconds.ts"
import { unlessSignal } from "./Signals.ts"

const yes = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

const mostAtOnce = 1024

/** `ai-ticket batch`: an event on each line of the input, a result on each line of the output. */
export const batch = Command.make(
  "batch",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("The events, a line of JSON each, or - to read them from standard input")
    ),
    output: Flag.String("output").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Where the results go; standard output if not given"),
      Flag.optional
    ),
    ordered: yes("ordered", "Write the results in the order of the events, and not as they come"),
    concurrency: Flag.Int("concurrency").pipe(
      Flag.withMetavar("NUMBER"),
      Flag.withDescription("Events at once (8)"),
      Flag.withDefault(8),
      Flag.filter(
        (number) => number >= 1 && number <= mostAtOnce,
        () => `a whole number from 1 to ${mostAtOnce}`
      )
    ),
    resume: yes("resume", "Go on behind the results that are in --output already"),
    retryFailed: yes("retry-failed", "With --resume, try the events anew that failed"),
    serverUrl,
    token,
    ...samplingFlags,
    timeout: seconds("timeout").pipe(
      Flag.withDescription("How long the answer to an event may take; the service's own limit if not given"),
      Flag.optional
    ),
    patience: seconds("patience").pipe(
      Flag.withDescription("How long an event is tried that the service has no room for (3600)"),
      Flag.withDefault(3600)
    )
  },
  Effect.fn("cli.batch")(function* (input) {
    const tally = yield* unlessSignal(runBatch(input))
    if (tally.done > tally.ok || tally.skippedFailed > 0) return yield* failure("refused", "")
  })
).pipe(
  Command.withDescription("Asks the service for the completion of each event of a file"),
  Command.withExamples([
    { command: "ai-ticket batch events.jsonl --output results.jsonl", description: "Ask for a file of events" },
    {
      command: "ai-ticket batch events.jsonl --output results.jsonl --resume",
      description: "Go on where it was interrupted"
    }
  ])
)
