import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Answer from "./Answer.ts"
import type { Generated } from "./Engine.ts"
import { spoil, spoilsDelivery, standIn } from "./FaultAnswer.ts"
import { formatStep } from "./FaultGrammar.ts"
import * as FaultQueue from "./FaultQueue.ts"
import type { Endpoint, FaultStep } from "./FaultStep.ts"
import { type Entrance, type GenerationRequest, type Refusal, readRequest } from "./GenerationRequest.ts"
import { type Incoming, isAuthorized, type Parts } from "./Incoming.ts"
import { makeStreamRoute } from "./StreamRoute.ts"
import { streamHead } from "./StreamWire.ts"
import { StopReason } from "./Text.ts"
import { generationBody } from "./Wire.ts"

const refusals: Readonly<Record<Refusal, Answer.Answer>> = {
  "bad input": Answer.badInput,
  null: Answer.nothing,
  // Its head is written by then.
  silence: { _tag: "Stall" },
  "hang up": { _tag: "HangUp" }
}

const noText: Generated = {
  outcome: "completed",
  text: "",
  stopReason: StopReason.endOfText,
  unsent: [],
  promptTokens: 0,
  completionTokens: 0
}

/** An answer that comes whole takes its text at the end. */
const takeAll = () => Effect.succeed(true)

/** Serves one request for text: the script of faults first, then its turn at the model. */
export const makeGenerationRoute = (parts: Parts) => {
  const { engine, faults, ledger, options } = parts
  const stream = makeStreamRoute(parts)

  const bodyOf = (endpoint: Endpoint, generated: Generated) =>
    Effect.map(Clock.currentTimeMillis, (now) => generationBody(endpoint, options, generated, Math.floor(now / 1000)))

  const refuse = (id: number, reason: string, answer: Answer.Answer) =>
    Effect.as(ledger.ended(id, { outcome: "refused", reason }), answer)

  const whole = Effect.fnUntraced(function* (id: number, endpoint: Endpoint, request: GenerationRequest) {
    const generated = yield* engine.generate(id, request, takeAll)
    yield* ledger.ended(id, { outcome: generated.outcome, tokens: generated.completionTokens })
    return Answer.json(yield* bodyOf(endpoint, generated))
  })

  // Password and body are looked at only now, with the model in hand: a bad request waits, and makes others wait.
  const haveTurn = Effect.fnUntraced(function* (
    id: number,
    endpoint: Endpoint,
    request: Result.Result<GenerationRequest, Refusal>,
    incoming: Incoming
  ) {
    if (!isAuthorized(options, incoming)) return yield* refuse(id, "password", Answer.unauthorized)
    if (Result.isFailure(request)) {
      if (request.failure === "silence") yield* incoming.outlet.open(streamHead)
      return yield* refuse(id, request.failure, refusals[request.failure])
    }
    yield* ledger.started(id)
    return yield* request.success.stream
      ? stream(id, endpoint, request.success, incoming.outlet)
      : whole(id, endpoint, request.success)
  })

  const takeStep = (endpoint: Endpoint): Effect.Effect<FaultStep | undefined> =>
    Ref.modify(faults, (queue) => FaultQueue.take(queue, endpoint))

  return Effect.fnUntraced(function* (entrance: Entrance, incoming: Incoming) {
    const { endpoint } = entrance
    const request = readRequest(entrance, incoming.body, options)
    const streams = Result.isSuccess(request)
      ? request.success.stream
      : entrance.streams || request.failure === "silence"
    const opening = { endpoint, path: incoming.url, stream: streams, request: Result.getOrUndefined(request) }
    const id = yield* ledger.open(opening)
    const step = yield* takeStep(endpoint)

    const serve = Effect.gen(function* () {
      if (step !== undefined && step.delayMillis > 0) yield* Effect.sleep(step.delayMillis)
      if (step !== undefined && !spoilsDelivery(step.fault)) {
        yield* ledger.ended(id, { outcome: "fault", reason: formatStep(step) })
        return standIn(step.fault, yield* bodyOf(endpoint, noText), yield* Clock.currentTimeMillis)
      }
      const answer = yield* engine.lock
        .withTurn(haveTurn(id, endpoint, request, incoming))
        .pipe(Effect.catchTag("Busy", () => refuse(id, "busy", Answer.busy)))
      return step === undefined ? answer : spoil(step.fault, answer)
    })
    return yield* Effect.onInterrupt(serve, () => ledger.ended(id, { outcome: "interrupted" }))
  })
}
