import * as Effect from "effect/Effect"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Stream from "effect/Stream"
import { readCompletionEvent } from "./CompletionEvent.ts"
import { type Heard, hear } from "./Heard.ts"
import { cannotWrite, showAsItComes, showPlain } from "./Output.ts"
import { notOurs, refusal } from "./Refusal.ts"
import { type Answer, originOf, withinTime } from "./Server.ts"
import { serverEvents } from "./ServerEvents.ts"
import { withSignOfLifeAtFirst } from "./SignOfLife.ts"

/** How the answer is wanted. */
export interface PromptOptions {
  readonly serverUrl: string
  /** As the service's JSON: the answer, or each event of a stream in a line. */
  readonly json: boolean
  readonly timeoutMillis: number | undefined
}

/** Prints a completion while it is generated. */
export const streamPrompt = (
  request: HttpClientRequest.HttpClientRequest,
  { json, serverUrl, timeoutMillis }: PromptOptions
) => {
  const heard = serverEvents(request).pipe(hear(serverUrl, readCompletionEvent), withSignOfLifeAtFirst)
  const shown = json
    ? Stream.runForEach(heard, showEvent)
    : Effect.catchTag(
        showAsItComes(
          Stream.map(heard, ({ text }) => text),
          "Completion"
        ),
        "CannotWrite",
        () => Effect.fail(cannotWrite())
      )
  const whole = Effect.fnUntraced(function* (answer: Answer) {
    if (answer.status === 200) return yield* notOurs(serverUrl, "is not a stream")
    if (json) yield* showPlain(answer.text)
    return yield* refusal(answer)
  })
  return shown.pipe(
    Effect.catchTag("WholeAnswer", ({ answer }) => whole(answer)),
    withinTime(originOf(serverUrl), timeoutMillis)
  )
}

/** An event may be written in several lines, which in JSON are white space. */
const showEvent = ({ data }: Heard) => showPlain(data.replaceAll("\n", " "))
