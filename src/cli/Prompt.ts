import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { asking, askingFlags, patienceMillis } from "./Asking.ts"
import { failure } from "./CommandFailure.ts"
import { show, showPlain } from "./Output.ts"
import { type PromptOptions, streamPrompt } from "./PromptStream.ts"
import { notOurs, refusal } from "./Refusal.ts"
import { samplingFields, samplingFlags } from "./SamplingFlags.ts"
import { send } from "./Server.ts"
import { unlessSignal } from "./Signals.ts"
import { withSignOfLife } from "./SignOfLife.ts"

const CompletionBody = Schema.fromJsonString(Schema.Struct({ completion: Schema.String }))
const decodeCompletion = Schema.decodeUnknownEffect(CompletionBody)

const readStdin = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio
  return yield* stdio.stdin.pipe(Stream.decodeText(), Stream.mkString)
}).pipe(Effect.mapError(() => failure("refused", "Standard input can't be read.")))

/** Prints a completion once it is there. */
const wholePrompt = Effect.fnUntraced(function* (
  request: HttpClientRequest.HttpClientRequest,
  { json, serverUrl, timeoutMillis }: PromptOptions
) {
  const answer = yield* withSignOfLife(send(request, timeoutMillis))
  if (answer.status !== 200) {
    if (json) yield* showPlain(answer.text)
    return yield* refusal(answer)
  }
  const { completion } = yield* Effect.mapError(decodeCompletion(answer.text), () =>
    notOurs(serverUrl, "has no completion")
  )
  yield* json ? showPlain(answer.text) : show({ title: "Completion", text: completion })
})

/** `ai-ticket prompt`: one prompt in, its completion out. */
export const prompt = Command.make(
  "prompt",
  {
    text: Argument.String("text").pipe(
      Argument.withDescription("The prompt, or - to read it from standard input; after -- it may begin with a dash")
    ),
    ...askingFlags,
    ...samplingFlags,
    stream: Flag.Boolean("stream").pipe(
      Flag.withDescription("Print the completion while it is generated"),
      Flag.withDefault(false)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print the service's JSON answer, whole; of a stream each event, one a line"),
      Flag.withDefault(false)
    )
  },
  Effect.fn("cli.prompt")((input) =>
    unlessSignal(
      Effect.gen(function* () {
        const text = input.text === "-" ? yield* readStdin : input.text
        const { json, serverUrl, stream } = input
        const options = { serverUrl, json, timeoutMillis: patienceMillis(input) }
        const content = { prompt: text, ...samplingFields(input) }
        yield* stream
          ? streamPrompt(asking(input, "/event", { content, stream }), options)
          : wholePrompt(asking(input, "/event", { content }), options)
      })
    )
  )
).pipe(
  Command.withDescription("Asks the service for a completion and prints it"),
  Command.withExamples([
    { command: 'ai-ticket prompt "Summarise open tickets"', description: "Ask the service on this machine" },
    { command: 'ai-ticket prompt "Tell me a story" --stream', description: "Read the answer while it is written" },
    { command: "ai-ticket prompt - --max-tokens 300 < ticket.txt", description: "Ask with a file's text" }
  ])
)
