import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Answer from "./Answer.ts"
import type { Generated } from "./Engine.ts"
import { errorsOf } from "./ErrorAnswer.ts"
import { spoil, spoils, standIn, streamStandIns, wholeStandIns } from "./FaultAnswer.ts"
import { formatStep } from "./FaultGrammar.ts"
import * as FaultQueue from "./FaultQueue.ts"
import type { Endpoint, FaultStep } from "./FaultStep.ts"
import { type Entrance, type GenerationRequest, isRecord, type Refusal, readRequest } from "./GenerationRequest.ts"
import { type Incoming, isAuthorized, type Parts } from "./Incoming.ts"
import { openAiStream } from "./OpenAiStream.ts"
import { makeStreamRoute } from "./StreamRoute.ts"
import { koboldCppStream, type StreamWire } from "./StreamWire.ts"
import { StopReason } from "./Text.ts"
import { generationBody } from "./Wire.ts"

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
  const errors = errorsOf(options.dialect)
  const streamed = makeStreamRoute(parts)
  // A plain server looks at what it was sent before it has it wait, and notices a client that leaves.
  const attentive = options.dialect === "openai"

  const wireOf = ({ endpoint, request }: Task): StreamWire =>
    options.dialect === "openai"
      ? openAiStream(endpoint, options, Result.isSuccess(request) && asksForUsage(request.success))
      : koboldCppStream(endpoint, options)

  const bodyOf = (endpoint: Endpoint, generated: Generated) =>
    Effect.map(nowSeconds, (now) => generationBody(endpoint, options, generated, now))

  const refuse = ({ id }: Task, reason: string, answer: Answer.Answer) =>
    Effect.as(ledger.ended(id, { outcome: "refused", reason }), answer)

  const leavingOf = ({ incoming }: Task) => (attentive ? incoming.outlet.closed : Effect.never)

  const whole = Effect.fnUntraced(function* (task: Task, request: GenerationRequest) {
    const { endpoint, id } = task
    const generated = yield* engine.generate(id, request, takeAll, leavingOf(task))
    const ending = Answer.json(yield* bodyOf(endpoint, generated))
    return { outcome: generated.outcome, tokens: generated.completionTokens, ending }
  })

  /** The request, if it may have a turn; or what it gets instead, and why. */
  const admit = ({ incoming, request }: Task) =>
    isAuthorized(options, incoming)
      ? Result.mapError(request, (reason) => ({ reason: reason as string, answer: errors.refusals[reason] }))
      : Result.fail({ reason: "password", answer: errors.unauthorized })

  // KoboldCpp looks at password and body only now, with the model in hand: a bad request waits, and makes others wait.
  const haveTurn = Effect.fnUntraced(function* (task: Task) {
    const { id, incoming, step } = task
    const request = admit(task)
    if (Result.isFailure(request)) {
      const { answer, reason } = request.failure
      if (reason === "silence") yield* incoming.outlet.open(wireOf(task).head)
      return yield* refuse(task, reason, answer)
    }
    if (attentive && incoming.outlet.gone()) {
      yield* ledger.ended(id, { outcome: "disconnected" })
      return Answer.nobody
    }
    yield* ledger.started(id)
    const { ending, outcome, tokens } = yield* task.stream
      ? streamed(id, wireOf(task), request.success, step?.fault, incoming.outlet, leavingOf(task))
      : whole(task, request.success)
    yield* ledger.ended(id, { outcome, tokens, ...(step !== undefined && { reason: formatStep(step) }) })
    return ending
  })

  const standInFor = Effect.fnUntraced(function* (task: Task, step: FaultStep) {
    yield* ledger.ended(task.id, { outcome: "fault", reason: formatStep(step) })
    const replies = task.stream
      ? streamStandIns(wireOf(task), yield* nowSeconds)
      : wholeStandIns(yield* bodyOf(task.endpoint, noText))
    return standIn(step.fault, replies, errors, yield* Clock.currentTimeMillis)
  })

  const serve = Effect.fnUntraced(function* (task: Task) {
    const { step, stream } = task
    if (step !== undefined && step.delayMillis > 0) yield* Effect.sleep(step.delayMillis)
    if (step !== undefined && !spoils(step.fault, stream)) return yield* standInFor(task, step)
    const admitted = admit(task)
    if (attentive && Result.isFailure(admitted)) {
      return yield* refuse(task, admitted.failure.reason, admitted.failure.answer)
    }
    const answer = yield* engine.lock
      .withTurn(haveTurn(task))
      .pipe(Effect.catchTag("Busy", () => refuse(task, "busy", errors.busy)))
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

const asksForUsage = ({ parameters }: GenerationRequest): boolean => {
  const options = parameters["stream_options"]
  return isRecord(options) && options["include_usage"] === true
}
