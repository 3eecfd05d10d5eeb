import type * as Result from "effect/Result"
import type { Answer } from "../../domain/Completion.ts"
import type { TextPart, Usage } from "../../domain/Generation.ts"
import type { OpenAiRefusal, OpenAiRequest } from "../../domain/OpenAiRequest.ts"

/** What differs between OpenAI's ways to ask for text: how a request is read, and what the one choice of an answer is. */
export interface Protocol {
  readonly decode: (body: unknown) => Result.Result<OpenAiRequest, OpenAiRefusal>
  readonly idPrefix: string
  /** The `object` of a whole answer, and of a chunk of a streamed one. */
  readonly whole: string
  readonly chunk: string
  readonly choice: (answer: Answer) => object
  /** What a stream begins with, if with anything. */
  readonly opening: object | undefined
  readonly piece: (part: TextPart) => object
  readonly ending: (finishReason: string) => object
}

/** What every answer, and every chunk of one, says of itself. */
export interface Identity {
  readonly id: string
  /** When it was asked for, in whole seconds. */
  readonly created: number
  /** The model that the client asked for. */
  readonly asked: string | undefined
}

/** The backend's own name for its model says more than what the client calls it. */
export const modelOf = (answer: { readonly model?: string; readonly backend: string }, { asked }: Identity): string =>
  answer.model ?? asked ?? answer.backend

/** The tokens of an answer, in OpenAI's words. */
export const usageBody = ({ completionTokens, promptTokens }: Usage) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens
})

/** The body of an answer that comes whole. */
export const wholeBody = (protocol: Protocol, identity: Identity, answer: Answer) => ({
  id: identity.id,
  object: protocol.whole,
  created: identity.created,
  model: modelOf(answer, identity),
  choices: [protocol.choice(answer)],
  ...(answer.usage === undefined ? {} : { usage: usageBody(answer.usage) })
})
