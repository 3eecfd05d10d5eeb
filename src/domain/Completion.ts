import type { Generation } from "./Generation.ts"

/** What one of the backends made of a request, and who it was. */
export interface Answer extends Generation {
  /** The backend's name and the endpoint of it that answered. */
  readonly backend: string
  readonly endpoint: string
}

/** The answer to an event. */
export interface Completion extends Answer {
  /** Without the white space around it. */
  readonly text: string
  /** The event's own id, or a new one. */
  readonly id: string | number
}

/** The JSON body of an answered event, in the wire's names. */
export const completionBody = (completion: Completion) => ({
  id: completion.id,
  completion: completion.text,
  backend: completion.backend,
  ...(completion.model === undefined ? {} : { model: completion.model }),
  ...(completion.finishReason === undefined ? {} : { finish_reason: completion.finishReason }),
  ...(completion.usage === undefined
    ? {}
    : {
        usage: {
          prompt_tokens: completion.usage.promptTokens,
          completion_tokens: completion.usage.completionTokens
        }
      })
})
