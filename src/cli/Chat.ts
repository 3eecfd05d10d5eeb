import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { askingFlags } from "./Asking.ts"
import { begin } from "./chat/Conversation.ts"
import { piped } from "./chat/Piped.ts"
import { session } from "./chat/Session.ts"
import { cannotWrite } from "./Output.ts"
import { samplingFlags } from "./SamplingFlags.ts"
import { unlessSignal } from "./Signals.ts"

/** `ai-ticket chat`: a conversation, a line a turn. It lasts as long as the command. */
export const chat = Command.make(
  "chat",
  {
    ...askingFlags,
    ...samplingFlags,
    system: Flag.String("system").pipe(
      Flag.withDescription("What the model is told before the conversation begins"),
      Flag.optional
    )
  },
  Effect.fn("cli.chat")((input) =>
    Effect.gen(function* () {
      const stdio = yield* Stdio.Stdio
      // The prompt is on stderr: whoever keeps the answers in a file still talks at a terminal.
      const person = (yield* stdio.stdinIsTerminal) && (yield* stdio.stderrIsTerminal)
      const beginning = begin(input.system)
      yield* person ? session(input, beginning) : piped(input, beginning)
    }).pipe(
      Effect.catchTag("CannotWrite", () => Effect.fail(cannotWrite())),
      unlessSignal
    )
  )
).pipe(
  Command.withDescription(
    "Talks with the model, a line a turn. On a terminal, /help tells what else may be typed; in a pipe each line is said as it is."
  ),
  Command.withShortDescription("Talks with the model"),
  Command.withExamples([
    { command: 'ai-ticket chat --system "Answer in one sentence."', description: "Talk with the model" },
    { command: "ai-ticket chat < questions.txt > answers.txt", description: "Say the lines of a file, one by one" }
  ])
)
