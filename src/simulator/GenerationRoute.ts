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
import { type GenerationRequest, type Refusal, readRequest } from "./GenerationRequest.ts"
import { type Incoming, isAuthorized, type Parts } from "./Incoming.ts"
import { StopReason } from "./Text.ts"
import { generationBody } from "./Wire.ts"

const refusals: Readonly<Record<Refusal, Answer.Answer>> = {
  "bad input": Answer.badInput,
  null: Answer.nothing,
  "hang up": { _tag: "HangUp" }
}

const noText: Generated = {
  outcome: "completed",
  text: "",
  stopReason: StopReason.endOfText,
  promptTokens: 0,
  completionTokens: 0
}

/** Serves one request for text: the script of faults first, then its turn at the model. */
export const makeGenerationRoute = ({ engine, faults, ledger, options }: Parts) => {
  const bodyOf = (endpoint: Endpoint, generated: Generated) =>
    Effect.map(Clock.currentTimeMillis, (now) => generationBody(endpoint, options, generated, Math.floor(now / 1000)))

  const refuse = (id: number, reason: string, answer: Answer.Answer) =>
    Effect.as(ledger.ended(id, { outcome: "refused", reason }), answer)

  // Password and body are looked at only now, with the model in hand: a bad request waits, and makes others wait.
  const haveTurn = Effect.fnUntraced(function* (
    id: number,
    endpoint: Endpoint,
    request: Result.Result<GenerationRequest, Refusal>,
    authorized: boolean
  ) {
    if (!authorized) return yield* refuse(id, "password", Answer.unauthorized)
    if (Result.isFailure(request)) return yield* refuse(id, request.failure, refusals[request.failure])
    yield* ledger.started(id)
    const generated = yield* engine.generate(id, request.success)
    yield* ledger.ended(id, { outcome: generated.outcome, tokens: generated.completionTokens })
    return Answer.json(yield* bodyOf(endpoint, generated))
  })

  const takeStep = (endpoint: Endpoint): Effect.Effect<FaultStep | undefined> =>
    Ref.modify(faults, (queue) => FaultQueue.take(queue, endpoint))

  return Effect.fnUntraced(function* (endpoint: Endpoint, incoming: Incoming) {
    const request = readRequest(endpoint, incoming.body, options)
    const id = yield* ledger.open({ endpoint, path: incoming.url, request: Result.getOrUndefined(request) })
    const step = yield* takeStep(endpoint)

    const serve = Effect.gen(function* () {
      if (step !== undefined && step.delayMillis > 0) yield* Effect.sleep(step.delayMillis)
      if (step !== undefined && !spoilsDelivery(step.fault)) {
        yield* ledger.ended(id, { outcome: "fault", reason: formatStep(step) })
        return standIn(step.fault, yield* bodyOf(endpoint, noText), yield* Clock.currentTimeMillis)
      }
      const answer = yield* engine.lock
        .withTurn(haveTurn(id, endpoint, request, isAuthorized(options, incoming)))
        .pipe(Effect.catchTag("Busy", () => refuse(id, "busy", Answer.busy)))
      return step === undefined ? answer : spoil(step.fault, answer)
    })
    return yield* Effect.onInterrupt(serve, () => ledger.ended(id, { outcome: "interrupted" }))
  })
}
