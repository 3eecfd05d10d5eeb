import { errorBody } from "../../domain/Failure.ts"
import type { Framing } from "../EventStream.ts"
import { openAiErrorBody } from "./OpenAiError.ts"
import { type Identity, modelOf, type Protocol, usageBody } from "./Protocol.ts"

/**
 * The chunks of a streamed answer.
 *
 * With usage, every chunk has a `usage` of null, and one more without choices tells it. A backend that doesn't count has
 * sent a token with each event, and says nothing of the prompt.
 */
export const chunkFraming = (protocol: Protocol, identity: Identity, includeUsage: boolean): Framing => {
  let model = ""
  let tokens = 0

  const chunk = (choices: ReadonlyArray<object>, usage: object | null = null): string =>
    dataEvent({
      id: identity.id,
      object: protocol.chunk,
      created: identity.created,
      model,
      choices,
      ...(includeUsage ? { usage } : {})
    })

  return {
    headers: {},
    part: (part) => {
      switch (part._tag) {
        case "Start":
          model = modelOf(part, identity)
          return protocol.opening === undefined ? "" : chunk([protocol.opening])
        case "Text":
          tokens += part.tokens
          return chunk([protocol.piece(part)])
        case "End": {
          const usage = usageBody(part.usage ?? { promptTokens: 0, completionTokens: tokens })
          return `${chunk([protocol.ending(part.finishReason)])}${includeUsage ? chunk([], usage) : ""}data: [DONE]\n\n`
        }
      }
    },
    failure: (failure) => dataEvent(openAiErrorBody(errorBody(failure)))
  }
}

const dataEvent = (value: object): string => `data: ${JSON.stringify(value)}\n\n`
