/** Tokens spent, as the backend counted them. */
export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** What one backend made of one prompt. Fields it didn't tell are absent. */
export interface Generation {
  /** The text as it came, untrimmed, and never empty once an attempt succeeded. */
  readonly text: string
  readonly model?: string
  /** `stop` or `length`; self-hosted servers have others. */
  readonly finishReason?: string
  readonly usage?: Usage
}

/** The answer to an event. */
export interface Completion extends Generation {
  /** Without the white space around it. */
  readonly text: string
  /** The event's own id, or a new one. */
  readonly id: string | number
  /** The backend's name and the endpoint of it that answered. */
  readonly backend: string
  readonly endpoint: string
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
