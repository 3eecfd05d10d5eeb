import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { BackendError } from "../../domain/BackendError.ts"
import type { CutShort } from "../../domain/Failure.ts"
import { type Generation, type GenerationRequest, mustHaveText } from "../../domain/Generation.ts"
import { Deadline } from "../Deadline.ts"
import type { Begun, Endpoint, Parts } from "../InferenceBackend.ts"
import { millisOf } from "../MonotonicClock.ts"
import { startingWith } from "../StartingWith.ts"
import { spanIn, traced } from "../telemetry/Tracing.ts"
import { Slot } from "../WaitingLine.ts"
import { type AttemptParts, failuresOf, isSuccess, mayGenerate, readAnswer, surely } from "./Attempt.ts"
import { hasText, readParts, type StreamFault, untilFirstText } from "./StreamParts.ts"
import { type BrokenCall, maxAnswerBytes, type OpenAnswer, oversizedAnswer } from "./Transport.ts"
import type { WireEndpoint } from "./Wire.ts"

/** One attempt whose answer comes as a stream. */
export const makeBegin = (
  { backend, callTo, identify, silenceMillis, transport }: AttemptParts,
  wire: WireEndpoint
): Endpoint["begin"] => {
  const failures = failuresOf(backend, wire.name)

  const told = (fault: StreamFault | CutShort): BackendError | CutShort => {
    switch (fault._tag) {
      case "Broken":
        return failures.broken({ oversized: false, reason: fault.reason })
      case "NotJson":
        return failures.notJson
      case "Shape":
        return failures.shape
      case "Told":
        return failures.toldError
      case "Endless":
        return failures.broken(oversizedAnswer)
      default:
        return fault
    }
  }

  /** Before the first text nothing cuts a stream short: whoever would interrupts the attempt. */
  const toldAtFirst = (fault: StreamFault | CutShort | Cause.Done): BackendError => {
    if (Cause.isDone(fault)) return failures.noText
    const error = told(fault)
    return error._tag === "BackendError" ? error : failures.broken({ oversized: false, reason: "it was cut short" })
  }

  /** A server that doesn't stream, or doesn't want to, answers whole: that is a stream of one text. */
  const readWhole = Effect.fnUntraced(function* (request: GenerationRequest, { chunks }: OpenAnswer) {
    const text = yield* Effect.mapError(readAll(chunks.pull), (error) =>
      "reached" in error ? failures.broken(error) : toldAtFirst(error)
    )
    const generation = yield* Effect.fromResult(readAnswer(wire, failures, request, text))
    const { model } = generation
    return { ...(model === undefined ? {} : { model }), parts: startingWith(asParts(generation), Cause.done()) }
  })

  return Effect.fnUntraced(function* (request, ending) {
    const body = wire.body(request)
    if (body === undefined) return yield* failures.unexpressed
    const slot = yield* Slot
    const generation = identify({ ...body, ...wire.streamFields, stream: true }, slot)
    const clock = yield* Clock.Clock
    const start = millisOf(clock)
    const left = (yield* Deadline) - start
    /** Characters that the caller has got. */
    let delivered = 0
    const stop = generation.abort(() => delivered)
    /** Whether something may be generated that nobody will read once the connection is closed. */
    let unfinished = () => true

    const scope = yield* Scope.fork(yield* Effect.scope)
    // Added before the connection, so that it runs when that is closed.
    yield* Scope.addFinalizer(
      scope,
      Effect.suspend(() => (unfinished() ? Scope.addFinalizer(slot, stop) : Effect.void))
    )

    /** The attempt is over, and whatever it left at the backend is stopped before another one follows. */
    const giveUp = (generates: boolean) =>
      Effect.suspend(() => {
        unfinished = () => false
        return generates ? surely(stop, slot) : Effect.void
      })

    const opened = Effect.gen(function* () {
      const answer = yield* transport
        .open(traced(callTo(wire.streamPath, generation.body, left), spanIn(yield* Effect.context<never>())))
        .pipe(
          Effect.catch((call: BrokenCall) =>
            Effect.andThen(giveUp(mayGenerate(call, millisOf(clock) - start)), Effect.fail(failures.broken(call)))
          )
        )
      if (!isSuccess(answer.status)) {
        unfinished = () => false
        return yield* failures.refused(answer)
      }
      if (!/^text\/event-stream/i.test(answer.headers["content-type"] ?? "")) {
        const whole = yield* Effect.tapError(readWhole(request, answer), () => giveUp(false))
        unfinished = () => false
        return whole
      }
      const reader = readParts(answer.chunks.pull, wire.readEvent, silenceMillis)
      unfinished = () => !reader.finished()
      const first = yield* untilFirstText(reader.pull).pipe(
        Effect.mapError(toldAtFirst),
        Effect.filterOrFail(
          (parts) => !mustHaveText(request) || parts.some(hasText),
          () => failures.noText
        ),
        Effect.tapError(() => giveUp(unfinished()))
      )
      yield* Effect.acquireRelease(
        Effect.sync(() => ending(answer.chunks.fail)),
        (forget) => Effect.sync(forget)
      )
      const count = (parts: Parts) => {
        for (const part of parts) if (part._tag === "Text") delivered += part.text.length
        return parts
      }
      const parts = Effect.mapError(reader.pull, (error) => (Cause.isDone(error) ? error : told(error)))
      const model = reader.model()
      return {
        ...(model === undefined ? {} : { model }),
        parts: Effect.map(startingWith(first, parts), count)
      } satisfies Begun
    })

    return yield* Scope.provide(opened, scope).pipe(
      Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
    )
  })
}

const readAll = (pull: OpenAnswer["chunks"]["pull"], text = ""): Effect.Effect<string, BrokenCall | CutShort> =>
  Effect.matchEffect(pull, {
    onSuccess: (more) =>
      text.length + more.length > maxAnswerBytes ? Effect.fail(oversizedAnswer) : readAll(pull, text + more),
    onFailure: (error) => (Cause.isDone(error) ? Effect.succeed(text) : Effect.fail(error))
  })

const asParts = ({ finishReason = "stop", text, toolCalls, usage }: Generation): Parts => {
  const end = { _tag: "End" as const, finishReason, ...(usage === undefined ? {} : { usage }) }
  const tokens = usage?.completionTokens ?? 1
  if (toolCalls !== undefined) return [{ _tag: "Text", text, tokens, toolCalls }, end]
  return text === "" ? [end] : [{ _tag: "Text", text, tokens }, end]
}
