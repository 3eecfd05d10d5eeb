import type { JsonObject } from "./Prompt.ts"
import type { SamplingParameters } from "./SamplingParameters.ts"

/**
 * What a backend is asked for: a prompt of an event, or what a client of a known protocol sent.
 *
 * The fields of the last three are the protocol's own, and go to a backend that speaks it as they came; the service adds
 * what it needs (whether to stream, the generation's key) and nothing else.
 */
export type GenerationRequest =
  | { readonly _tag: "Prompt"; readonly prompt: string; readonly parameters: SamplingParameters }
  /** OpenAI's chat: its messages, assistant and system turns too. */
  | { readonly _tag: "Chat"; readonly messages: ReadonlyArray<JsonObject>; readonly fields: JsonObject }
  /** OpenAI's completions. */
  | { readonly _tag: "Text"; readonly prompt: string; readonly fields: JsonObject }
  /** KoboldCpp's generate; `fields` without the prompt. */
  | { readonly _tag: "Native"; readonly prompt: string; readonly fields: JsonObject }

/** Tokens spent, as the backend counted them. */
export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** What one backend made of one request. Fields it didn't tell are absent. */
export interface Generation {
  /** The text as it came, untrimmed. Empty only for a protocol whose clients expect that. */
  readonly text: string
  readonly model?: string
  /** `stop` or `length`; self-hosted servers have others. */
  readonly finishReason?: string
  readonly usage?: Usage
  /** Calls of tools that a chat model asks for, as it told them. */
  readonly toolCalls?: ReadonlyArray<unknown>
}

/** A piece of text as it was generated. */
export interface TextPart {
  readonly _tag: "Text"
  readonly text: string
  /** How many tokens it is made of: one for each event of the backend, which may have put several into one. */
  readonly tokens: number
  readonly toolCalls?: ReadonlyArray<unknown>
}

/** The proof that a generation is complete, and what the backend told of it. */
export interface EndPart {
  readonly _tag: "End"
  readonly finishReason: string
  readonly usage?: Usage
}

/** What a backend's stream is made of: any number of texts, then one end. */
export type GenerationPart = TextPart | EndPart

/** Who answers, told before the first text. */
export interface StartPart {
  readonly _tag: "Start"
  readonly backend: string
  readonly endpoint: string
  readonly model?: string
}

/** What a caller's stream is made of: a start, any number of texts, an end. */
export type AnswerPart = StartPart | GenerationPart

/** An event must get some text; a protocol's client may be told that there was none. */
export const mustHaveText = (request: GenerationRequest): boolean => request._tag === "Prompt"
