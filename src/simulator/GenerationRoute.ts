import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Answer from "./Answer.ts"
import type { Generated } from "./Engine.ts"
import { spoil, spoils, standIn, streamStandIns, wholeStandIns } from "./FaultAnswer.ts"
import { formatStep } from "./FaultGrammar.ts"
import * as FaultQueue from "./FaultQueue.ts"
import type { Endpoint, FaultStep } from "./FaultStep.ts"
import { type Entrance, type GenerationRequest, type Refusal, readRequest } from "./GenerationRequest.ts"
import { type Incoming, isAuthorized, type Parts } from "./Incoming.ts"
import { makeStreamRoute } from "./StreamRoute.ts"
import { streamHead, streamWire } from "./StreamWire.ts"
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

const nowSeconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 1000))

/** A request on its way to its answer. */
interface Task {
  readonly id: number
  readonly endpoint: Endpoint
  readonly incoming: Incoming
  readonly request: Result.Result<GenerationRequest, Refusal>
  readonly stream: boolean
  /** What the script has for it. */
  readonly step: FaultStep | undefined
}

/** Serves one request for text: the script of faults first, then its turn at the model. */
export const makeGenerationRoute = (parts: Parts) => {
  const { engine, faults, ledger, options } = parts
  const streamed = makeStreamRoute(parts)

  const bodyOf = (endpoint: Endpoint, generated: Generated) =>
    Effect.map(nowSeconds, (now) => generationBody(endpoint, options, generated, now))

  const refuse = ({ id }: Task, reason: string, answer: Answer.Answer) =>
    Effect.as(ledger.ended(id, { outcome: "refused", reason }), answer)

  const whole = Effect.fnUntraced(function* ({ endpoint, id }: Task, request: GenerationRequest) {
    const generated = yield* engine.generate(id, request, takeAll)
    const ending = Answer.json(yield* bodyOf(endpoint, generated))
    return { outcome: generated.outcome, tokens: generated.completionTokens, ending }
  })

  // Password and body are looked at only now, with the model in hand: a bad request waits, and makes others wait.
  const haveTurn = Effect.fnUntraced(function* (task: Task) {
    const { endpoint, id, incoming, request, step } = task
    if (!isAuthorized(options, incoming)) return yield* refuse(task, "password", Answer.unauthorized)
    if (Result.isFailure(request)) {
      if (request.failure === "silence") yield* incoming.outlet.open(streamHead)
      return yield* refuse(task, request.failure, refusals[request.failure])
    }
    yield* ledger.started(id)
    const { ending, outcome, tokens } = yield* task.stream
      ? streamed(id, endpoint, request.success, step?.fault, incoming.outlet)
      : whole(task, request.success)
    yield* ledger.ended(id, { outcome, tokens, ...(step !== undefined && { reason: formatStep(step) }) })
    return ending
  })

  const standInFor = Effect.fnUntraced(function* ({ endpoint, id, stream }: Task, step: FaultStep) {
    yield* ledger.ended(id, { outcome: "fault", reason: formatStep(step) })
    const replies = stream
      ? streamStandIns(streamWire(endpoint, options), yield* nowSeconds)
      : wholeStandIns(yield* bodyOf(endpoint, noText))
    return standIn(step.fault, replies, yield* Clock.currentTimeMillis)
  })

  const serve = Effect.fnUntraced(function* (task: Task) {
    const { step, stream } = task
    if (step !== undefined && step.delayMillis > 0) yield* Effect.sleep(step.delayMillis)
    if (step !== undefined && !spoils(step.fault, stream)) return yield* standInFor(task, step)
    const answer = yield* engine.lock
      .withTurn(haveTurn(task))
      .pipe(Effect.catchTag("Busy", () => refuse(task, "busy", Answer.busy)))
    return step === undefined ? answer : spoil(step.fault, answer)
  })

  return Effect.fnUntraced(function* (entrance: Entrance, incoming: Incoming) {
    const { endpoint } = entrance
    const request = readRequest(entrance, incoming.body, options)
    const stream = Result.isSuccess(request)
      ? request.success.stream
      : entrance.streams || request.failure === "silence"
    const id = yield* ledger.open({ endpoint, path: incoming.url, stream, request: Result.getOrUndefined(request) })
    const step = yield* Ref.modify(faults, (queue) => FaultQueue.take(queue, endpoint))
    return yield* Effect.onInterrupt(serve({ id, endpoint, incoming, request, stream, step }), () =>
      ledger.ended(id, { outcome: "interrupted" })
    )
  })
}
