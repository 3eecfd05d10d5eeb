import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BackendError, type Remedy } from "../../src/domain/BackendError.ts"
import type { Generation } from "../../src/domain/Completion.ts"
import type { BackendErrorCode } from "../../src/domain/ErrorCatalogue.ts"
import { type GenerationRequest, InferenceBackend } from "../../src/services/InferenceBackend.ts"
import { monotonicMillis } from "../../src/services/MonotonicClock.ts"
import type { Slot } from "../../src/services/WaitingLine.ts"

/** What an attempt comes to. */
export type Outcome = Effect.Effect<Generation, BackendError, Slot>

export interface Attempt {
  readonly endpoint: string
  /** Monotonic milliseconds. */
  readonly at: number
  readonly request: GenerationRequest
}

export interface FakeBackend {
  readonly layer: Layer.Layer<InferenceBackend>
  readonly attempts: Array<Attempt>
  /** The endpoints of attempts that were interrupted. */
  readonly interrupted: Array<string>
}

export const says = (text: string, more: Partial<Generation> = {}): Outcome => Effect.succeed({ text, ...more })

export const failsWith = (code: BackendErrorCode, remedy: Remedy, retryAfterMillis?: number): Outcome =>
  Effect.fail(backendError(code, remedy, retryAfterMillis))

export const backendError = (code: BackendErrorCode, remedy: Remedy, retryAfterMillis?: number) =>
  new BackendError({
    ...{ code, remedy, backend: "fake", endpoint: "any", reason: "as told" },
    ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
  })

/** A backend in memory: an endpoint for each key, in their order. Outcomes are used up in order; the last one repeats. */
export const fakeBackend = (script: Readonly<Record<string, ReadonlyArray<Outcome>>>): FakeBackend => {
  const attempts: Array<Attempt> = []
  const interrupted: Array<string> = []
  const endpoint = (name: string, outcomes: ReadonlyArray<Outcome>) => {
    let used = 0
    return {
      name,
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
  return {
    layer: Layer.succeed(InferenceBackend)({
      name: "fake",
      endpoints: [first, ...rest],
      status: Effect.succeed({ reachable: true })
    }),
    attempts,
    interrupted
  }
}
