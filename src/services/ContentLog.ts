import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Answer } from "../domain/Completion.ts"
import type { AnswerPart, GenerationRequest } from "../domain/Generation.ts"

/** The most characters of a stream that are kept to be logged; a backend may send for as long as the time lasts. */
const longestText = 256 * 1024

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
      let said = ""
      let cut = false
      const note = (part: AnswerPart) =>
        Effect.sync(() => {
          if (part._tag !== "Text") return
          const room = longestText - said.length
          said += part.text.slice(0, room)
          cut ||= part.text.length > room
        })
      return Stream.ensuring(
        Stream.tap(parts, note),
        Effect.suspend(() => (said === "" ? Effect.void : log(request, cut ? `${said}…` : said)))
      )
    })
}
