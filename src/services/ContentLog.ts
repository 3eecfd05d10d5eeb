import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Answer } from "../domain/Completion.ts"
import type { AnswerPart, GenerationRequest } from "../domain/Generation.ts"

/** One line for what was asked and what was said to it, of a stream as far as it came. */
const log = (request: GenerationRequest, completion: string) =>
  Effect.logInfo("inference", { prompt: request._tag === "Chat" ? request.messages : request.prompt, completion })

/** Prompts and completions in the log, for those who have asked for it: nothing else writes them. */
export const contentLog = {
  whole: <E, R>(request: GenerationRequest, answer: Effect.Effect<Answer, E, R>): Effect.Effect<Answer, E, R> =>
    Effect.tap(answer, ({ text }) => log(request, text)),
  streamed: <E, R>(
    request: GenerationRequest,
    parts: Stream.Stream<AnswerPart, E, R>
  ): Stream.Stream<AnswerPart, E, R> =>
    Stream.suspend(() => {
      const texts: Array<string> = []
      const note = (part: AnswerPart) => Effect.sync(() => part._tag === "Text" && texts.push(part.text))
      return Stream.ensuring(
        Stream.tap(parts, note),
        Effect.suspend(() => (texts.length === 0 ? Effect.void : log(request, texts.join(""))))
      )
    })
}
