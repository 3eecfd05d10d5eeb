import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { completionBody } from "../domain/Completion.ts"
import { wantsStream } from "../domain/Event.ts"
import { errorBody } from "../domain/Failure.ts"
import { Inference } from "../services/Inference.ts"
import { EventStream, type Framing } from "./EventStream.ts"
import { JsonWork } from "./JsonWork.ts"

/** `POST /event`: one event in, one completion out, whole or as it is generated. */
export const eventRoute = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const inference = yield* Inference
    const work = yield* JsonWork
    const streams = yield* EventStream
    yield* router.add("POST", "/event", (request) =>
      work(request, (event, options) =>
        wantsStream(event)
          ? streams.respond(request, inference.streamEvent(event, options), framing())
          : Effect.map(inference.onEvent(event, options), (completion) =>
              HttpServerResponse.jsonUnsafe(completionBody(completion))
            )
      )
    )
  })
)

/** The events of a streamed answer: deltas, and one that is the last. */
const framing = (): Framing => {
  let tokens = 0
  return {
    headers: {},
    part: (part) => {
      if (part._tag === "Start") return ""
      if (part._tag === "Text") {
        tokens += part.tokens
        return dataEvent({ delta: part.text, done: false })
      }
      const completionTokens = part.usage?.completionTokens ?? tokens
      return dataEvent({ delta: "", done: true, completion_tokens: completionTokens, finish_reason: part.finishReason })
    },
    failure: (failure) => {
      const { error, message } = errorBody(failure)
      return dataEvent({ error, message, done: true })
    }
  }
}

const dataEvent = (value: object): string => `data: ${JSON.stringify(value)}\n\n`
