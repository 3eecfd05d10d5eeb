import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { asking, askingFlags, patienceMillis } from "./Asking.ts"
import { type CommandFailure, failure } from "./CommandFailure.ts"
import { readChatEvent, readChatRefusal } from "./chat/ChatEvent.ts"
import { hear } from "./Heard.ts"
import { showAsItComes, tell } from "./Output.ts"
import { notOurs, refusal } from "./Refusal.ts"
import { samplingFields, samplingFlags } from "./SamplingFlags.ts"
import { type Answer, originOf, withinTime } from "./Server.ts"
import { serverEvents } from "./ServerEvents.ts"
import { unlessSignal } from "./Signals.ts"
import { withSignOfLifeAtFirst } from "./SignOfLife.ts"

interface Turn {
  readonly role: "system" | "user" | "assistant"
  readonly content: string
}

const help = "/reset forgets what was said, /exit leaves; so does the end of the input. Everything else is said."

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
    unlessSignal(
      Effect.gen(function* () {
        const stdio = yield* Stdio.Stdio
        const person = (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal)
        const { serverUrl } = input
        const system = Option.toArray(Option.map(input.system, (content): Turn => ({ role: "system", content })))
        let said: ReadonlyArray<Turn> = []

        const whole = (answer: Answer) =>
          Effect.fail(answer.status === 200 ? notOurs(serverUrl, "is not a stream") : refusal(answer, readChatRefusal))

        const turn = Effect.fnUntraced(function* (content: string) {
          const asked: Turn = { role: "user", content }
          const body = { ...samplingFields(input), messages: [...system, ...said, asked], stream: true }
          let answer = ""
          const heard = serverEvents(asking(input, "/v1/chat/completions", body)).pipe(
            hear(serverUrl, readChatEvent),
            withSignOfLifeAtFirst,
            Stream.map(({ text }) => {
              answer += text
              return text
            })
          )
          yield* showAsItComes(heard).pipe(
            Effect.catchTag("WholeAnswer", (refused) => whole(refused.answer)),
            withinTime(originOf(serverUrl), patienceMillis(input))
          )
          // A turn that failed was never said.
          said = [...said, asked, { role: "assistant", content: answer.trim() }]
        })

        /** A person is told what went wrong, and may go on; a script is not. */
        const survive = (error: CommandFailure) => (person ? tell(`ai-ticket: ${error.message}`) : Effect.fail(error))
        const invite = person
          ? Effect.flatMap(Console.Console, (console) => Effect.sync(() => console.error("you:")))
          : Effect.void

        yield* invite
        yield* stdio.stdin.pipe(
          Stream.mapError(() => failure("refused", "Standard input can't be read.")),
          Stream.decodeText(),
          Stream.splitLines,
          Stream.map((line) => line.trim()),
          Stream.takeWhile((line) => line !== "/exit"),
          Stream.runForEach((line) => {
            if (line === "/reset") said = []
            if (line === "/help") return Effect.andThen(tell(help), invite)
            const spoken = line === "" || line === "/reset" ? Effect.void : Effect.catch(turn(line), survive)
            return Effect.andThen(spoken, invite)
          })
        )
      })
    )
  )
).pipe(
  Command.withDescription(`Talks with the model, a line a turn. ${help}`),
  Command.withShortDescription("Talks with the model"),
  Command.withExamples([
    { command: 'ai-ticket chat --system "Answer in one sentence."', description: "Talk with the model" }
  ])
)
