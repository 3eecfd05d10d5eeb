import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { BackendError, type Remedy } from "../../src/domain/BackendError.ts"
import type { BackendErrorCode } from "../../src/domain/ErrorCatalogue.ts"
import type { Generation, GenerationPart } from "../../src/domain/Generation.ts"
import { Backends } from "../../src/services/Backends.ts"
import type { BackendModel, Begun, GenerationRequest, InferenceBackend } from "../../src/services/InferenceBackend.ts"
import { monotonicMillis } from "../../src/services/MonotonicClock.ts"
import { Settings } from "../../src/services/Settings.ts"
import type { Slot } from "../../src/services/WaitingLine.ts"

/** What an attempt comes to, and one at a stream. */
export type Outcome = Effect.Effect<Generation, BackendError, Slot>
export type StreamOutcome = Effect.Effect<Begun, BackendError, Slot | Scope.Scope>

export interface Attempt {
  readonly endpoint: string
  /** Monotonic milliseconds. */
  readonly at: number
  readonly request: GenerationRequest
}

export interface FakeBackend {
  readonly backend: InferenceBackend
  /** It alone, with the settings' slots. */
  readonly layer: ReturnType<typeof onlyLane>
  readonly attempts: Array<Attempt>
  /** The endpoints of attempts that were interrupted. */
  readonly interrupted: Array<string>
}

export const says = (text: string, more: Partial<Generation> = {}): Outcome => Effect.succeed({ text, ...more })

/** A stream of these texts, each a token, which ends as it should. */
export const streams = (...texts: ReadonlyArray<string>): StreamOutcome =>
  Effect.sync(() => {
    const left: Array<GenerationPart> = texts.map((text) => ({ _tag: "Text", text, tokens: 1 }))
    left.push({ _tag: "End", finishReason: "stop" })
    return {
      parts: Effect.suspend(() => {
        const next = left.shift()
        return next === undefined ? Cause.done() : Effect.succeed([next] as const)
      })
    }
  })

export const failsWith = (code: BackendErrorCode, remedy: Remedy, retryAfterMillis?: number): Outcome =>
  Effect.fail(backendError(code, remedy, retryAfterMillis))

export const backendError = (code: BackendErrorCode, remedy: Remedy, retryAfterMillis?: number) =>
  new BackendError({
    ...{ code, remedy, backend: "fake", endpoint: "any", reason: "as told" },
    ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
  })

/** A backend in memory: an endpoint for each key, in their order. Outcomes are used up in order; the last one repeats. */
export const fakeBackend = (
  script: Readonly<Record<string, ReadonlyArray<Outcome>>>,
  streamScript: Readonly<Record<string, ReadonlyArray<StreamOutcome>>> = {},
  models: Effect.Effect<ReadonlyArray<BackendModel>, BackendError> = Effect.succeed([])
): FakeBackend => {
  const attempts: Array<Attempt> = []
  const interrupted: Array<string> = []
  const endpoint = (name: string, outcomes: ReadonlyArray<Outcome>) => {
    const streamOutcomes = streamScript[name] ?? []
    let used = 0
    let usedByStreams = 0
    return {
      name,
      serves: () => true,
      begin: (request: GenerationRequest) =>
        Effect.gen(function* () {
          attempts.push({ endpoint: name, at: yield* monotonicMillis, request })
          const outcome =
            streamOutcomes[Math.min(usedByStreams++, streamOutcomes.length - 1)] ?? streams("nothing was scripted")
          return yield* Effect.onInterrupt(outcome, () => Effect.sync(() => interrupted.push(name)))
        }),
      attempt: (request: GenerationRequest) =>
        Effect.gen(function* () {
          attempts.push({ endpoint: name, at: yield* monotonicMillis, request })
          const outcome = outcomes[Math.min(used++, outcomes.length - 1)] ?? says("nothing was scripted")
          return yield* Effect.onInterrupt(outcome, () => Effect.sync(() => interrupted.push(name)))
        })
    }
  }
  const [first = endpoint("chat", []), ...rest] = Object.entries(script).map(([name, outcomes]) =>
    endpoint(name, outcomes)
  )
  const backend: InferenceBackend = {
    name: "fake",
    provider: "fake",
    endpoints: [first, ...rest],
    models,
    status: Effect.succeed({ reachable: true })
  }
  return { backend, layer: onlyLane(backend), attempts, interrupted }
}

/** One backend, with the settings' slots. */
export const onlyLane = (backend: InferenceBackend) =>
  Backends.layer(Effect.map(Settings, ({ slots }) => ({ lanes: [{ backend, slots }], routes: [] })))
