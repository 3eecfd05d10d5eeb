import * as Effect from "effect/Effect"
import type { Answer } from "./Answer.ts"
import { makeEventWriter } from "./EventWriter.ts"
import { type Fault, isPartWay } from "./FaultStep.ts"
import type { GenerationRequest } from "./GenerationRequest.ts"
import type { Parts } from "./Incoming.ts"
import type { Ending } from "./Ledger.ts"
import { dripping, type Outlet } from "./Outlet.ts"
import { makeFaultyStream } from "./StreamFault.ts"
import type { StreamWire } from "./StreamWire.ts"
import { planText } from "./Text.ts"

/** A stream that ended, and how its connection is to end. */
export interface Streamed {
  readonly outcome: Ending["outcome"]
  readonly tokens: number
  readonly ending: Answer
}

/**
 * Answers a request with a stream, while it has the model. A client that leaves is noticed when the next tokens are
 * written to it, not sooner; that ends the generation.
 */
export const makeStreamRoute = (parts: Parts) =>
  Effect.fnUntraced(function* (
    id: number,
    wire: StreamWire,
    request: GenerationRequest,
    fault: Fault | undefined,
    directOutlet: Outlet,
    leaving: Effect.Effect<void>
  ) {
    const outlet = fault?.kind === "drip" ? dripping(directOutlet, fault) : directOutlet
    const events = makeEventWriter(id, wire, outlet, parts)
    const faulty = isPartWay(fault)
      ? makeFaultyStream(fault.kind, fault.after ?? halfOf(request), events, outlet)
      : undefined
    // Whether somebody is there to read the head is nobody's concern yet.
    yield* outlet.open(wire.head)
    const generated = yield* parts.engine.generate(id, request, faulty?.emit ?? events.emit, leaving)
    const { completionTokens: tokens, outcome } = generated
    const ending = faulty?.ending()
    if (ending !== undefined) {
      const streamed: Streamed = { outcome: ending._tag === "Stall" ? outcome : "fault", tokens, ending }
      return streamed
    }
    const whole = outcome !== "disconnected" && (yield* events.end(generated))
    const streamed: Streamed = {
      outcome: outcome === "completed" && !whole ? "disconnected" : outcome,
      tokens,
      ending: { _tag: "HangUp" }
    }
    return streamed
  })

const halfOf = (request: GenerationRequest): number => Math.floor(planText(request).tokens.length / 2)
