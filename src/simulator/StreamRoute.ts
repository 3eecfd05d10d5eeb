import * as Effect from "effect/Effect"
import type { Answer } from "./Answer.ts"
import type { Generated } from "./Engine.ts"
import { makeEventWriter } from "./EventWriter.ts"
import type { Endpoint } from "./FaultStep.ts"
import type { GenerationRequest } from "./GenerationRequest.ts"
import type { Parts } from "./Incoming.ts"
import type { Ending } from "./Ledger.ts"
import type { Outlet } from "./Outlet.ts"
import { streamHead } from "./StreamWire.ts"

/**
 * Answers a request with a stream, while it has the model, and tells how the connection is to end. A client that leaves
 * is noticed when the next tokens are written to it, not sooner; that ends the generation.
 */
export const makeStreamRoute = (parts: Parts) =>
  Effect.fnUntraced(function* (id: number, endpoint: Endpoint, request: GenerationRequest, outlet: Outlet) {
    const events = makeEventWriter(id, endpoint, outlet, parts)
    // Whether somebody is there to read the head is nobody's concern yet.
    yield* outlet.open(streamHead)
    const generated = yield* parts.engine.generate(id, request, events.emit)
    const whole = generated.outcome !== "disconnected" && (yield* events.end(generated))
    yield* parts.ledger.ended(id, { outcome: outcomeOf(generated, whole), tokens: generated.completionTokens })
    const ending: Answer = { _tag: "HangUp" }
    return ending
  })

const outcomeOf = ({ outcome }: Generated, whole: boolean): Ending["outcome"] =>
  outcome === "completed" && !whole ? "disconnected" : outcome
