import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { BackendError, classifyStatus, type Remedy } from "../../domain/BackendError.ts"
import type { BackendErrorCode } from "../../domain/ErrorCatalogue.ts"
import { type Generation, type GenerationRequest, mustHaveText } from "../../domain/Generation.ts"
import type { JsonObject } from "../../domain/Prompt.ts"
import { parseRetryAfter } from "../../domain/RetryAfter.ts"
import { Deadline } from "../Deadline.ts"
import type { Endpoint } from "../InferenceBackend.ts"
import { millisOf } from "../MonotonicClock.ts"
import { spanIn, traced } from "../telemetry/Tracing.ts"
import { Slot } from "../WaitingLine.ts"
import type { BrokenCall, Call, OpenAnswer, Transport } from "./Transport.ts"
import type { WireEndpoint } from "./Wire.ts"

/** KoboldCpp closes at once on what it can't parse: a connection that lives longer than this has a generation to it. */
const parsingMillis = 1000

/** What both kinds of attempt are made of. */
export interface AttemptParts {
  readonly backend: string
  /** A call on behalf of a request that has so many milliseconds left. */
  readonly callTo: (path: string, body: object, leftMillis: number) => Call
  readonly transport: Transport["Service"]
  readonly silenceMillis: number | undefined
  /** The body of a new generation in a slot, and how that one is aborted and nothing else. */
  readonly identify: (body: JsonObject, slot: Scope.Closeable) => Identified
}

/** A generation that can be told from all others of its backend. */
export interface Identified {
  readonly body: JsonObject
  /** The first `delivered` characters of it were not in vain. It can't fail, only not be heard. */
  readonly abort: (delivered?: () => number) => Effect.Effect<void>
}

/** The failures of an endpoint, in its name. */
export const failuresOf = (backend: string, endpoint: string) => {
  const failure = (code: BackendErrorCode, remedy: Remedy, reason: string) =>
    new BackendError({ code, backend, endpoint, reason, remedy })
  return {
    failure,
    unexpressed: failure("api_client_error", "absent", "it has no way to say what is asked for"),
    noText: failure("backend_error", "give up", "it answered with no text"),
    toldError: failure("api_server_error", "retry", "it told of an error in its answer"),
    notJson: failure("api_response_format_error", "next", "its answer is not JSON"),
    shape: failure("api_response_structure_error", "next", "its answer has another shape"),
    broken: ({ oversized, reason }: Pick<BrokenCall, "oversized" | "reason">) =>
      oversized
        ? failure("api_response_format_error", "give up", reason)
        : failure("api_connection_error", "retry", reason),
    refused: Effect.fnUntraced(function* ({ headers, status }: Pick<OpenAnswer, "headers" | "status">) {
      const { code, remedy } = classifyStatus(status)
      const after = parseRetryAfter(headers["retry-after"], yield* Clock.currentTimeMillis)
      return yield* new BackendError({
        ...{ code, remedy, backend, endpoint },
        reason: status >= 300 && status < 400 ? `it redirects (${status})` : `it answered ${status}`,
        ...(after === undefined ? {} : { retryAfterMillis: after })
      })
    })
  }
}

/** Reads a whole answer of an endpoint. */
export const readAnswer = (
  wire: WireEndpoint,
  failures: ReturnType<typeof failuresOf>,
  request: GenerationRequest,
  text: string
): Result.Result<Generation, BackendError> => {
  const answer = Result.try((): unknown => JSON.parse(text))
  if (Result.isFailure(answer)) return Result.fail(failures.notJson)
  const read = wire.read(answer.success)
  if (Result.isFailure(read)) return Result.fail(failures.shape)
  const generation = read.success
  // KoboldCpp since 1.115: a 200 that isn't one.
  if (generation.finishReason === "error") return Result.fail(failures.toldError)
  const hasText = generation.text.trim() !== "" || generation.toolCalls !== undefined
  return hasText || !mustHaveText(request) ? Result.succeed(generation) : Result.fail(failures.noText)
}

/** One attempt whose answer comes whole. */
export const makeAttempt = (
  { backend, callTo, identify, transport }: AttemptParts,
  wire: WireEndpoint
): Endpoint["attempt"] => {
  const failures = failuresOf(backend, wire.name)
  return (request) =>
    Effect.contextWith((context: Context.Context<Slot>) => {
      const body = wire.body(request)
      if (body === undefined) return Effect.fail(failures.unexpressed)
      const slot = Context.get(context, Slot)
      const clock = Context.get(context, Clock.Clock)
      const start = millisOf(clock)
      const generation = identify(body, slot)
      const left = Context.get(context, Deadline) - start
      const call = traced(callTo(wire.path, generation.body, left), spanIn(context))
      return transport.call(call).pipe(
        Effect.onInterrupt(() => Scope.addFinalizer(slot, generation.abort())),
        Effect.matchEffect({
          onFailure: (call) => {
            const aborted = mayGenerate(call, millisOf(clock) - start) ? surely(generation.abort(), slot) : Effect.void
            return Effect.andThen(aborted, Effect.fail(failures.broken(call)))
          },
          onSuccess: (answer): Effect.Effect<Generation, BackendError> =>
            isSuccess(answer.status)
              ? Effect.fromResult(readAnswer(wire, failures, request, answer.text))
              : failures.refused(answer)
        })
      )
    })
}

export const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** A connection that broke late left a generation behind; one that broke at once never started it. */
export const mayGenerate = ({ reached }: BrokenCall, afterMillis: number): boolean =>
  reached && afterMillis > parsingMillis

/** Runs a cleanup now; if the caller leaves meanwhile, it is done before the slot is given back. */
export const surely = (cleanup: Effect.Effect<void>, slot: Scope.Closeable): Effect.Effect<void> =>
  Effect.onInterrupt(cleanup, () => Scope.addFinalizer(slot, cleanup))
