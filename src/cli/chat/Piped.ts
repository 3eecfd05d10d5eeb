import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { failure } from "../CommandFailure.ts"
import { ask, type Partner } from "./Ask.ts"
import { answered, asked, type Conversation } from "./Conversation.ts"

/**
 * A conversation with a script: each line that isn't blank is a turn as it is, whatever it begins with, and the first
 * failure ends it.
 */
export const piped = Effect.fnUntraced(function* (partner: Partner, beginning: Conversation) {
  const stdio = yield* Stdio.Stdio
  let conversation = beginning
  yield* stdio.stdin.pipe(
    Stream.mapError(() => failure("refused", "Standard input can't be read.")),
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.runForEach(
      Effect.fnUntraced(function* (line) {
        const question = asked(conversation, line)
        conversation = answered(question, yield* ask(partner, question, Effect.never))
      })
    )
  )
})
