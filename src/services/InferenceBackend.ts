import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { BackendError } from "../domain/BackendError.ts"
import type { CutShort } from "../domain/Failure.ts"
import type { Generation, GenerationPart, GenerationRequest } from "../domain/Generation.ts"
import type { JsonObject } from "../domain/Prompt.ts"
import type { Ending } from "./Ending.ts"
import type { Slot } from "./WaitingLine.ts"

export type { GenerationRequest } from "../domain/Generation.ts"

/** Some parts of a stream. */
export type Parts = readonly [GenerationPart, ...ReadonlyArray<GenerationPart>]

/** A generation whose first text has come, or that ended without any. */
export interface Begun {
  readonly model?: string
  /**
   * The next parts, the first text among them. After the end part it is done; a stream that breaks off before its end
   * part fails, however politely the connection was closed.
   */
  readonly parts: Pull.Pull<Parts, BackendError | CutShort>
}

/** One way to reach the model of a backend. */
export interface Endpoint {
  /** A fixed word, fit for a metric label: `chat`, `completion`, `generate`. */
  readonly name: string
  /** Whether this endpoint has a way to say what is asked for. */
  readonly serves: (request: GenerationRequest) => boolean
  /**
   * One attempt, without retries. Its text is not empty where one must come. Interrupting it aborts the generation at
   * the backend; the slot stays taken until the backend has heard of it.
   */
  readonly attempt: (request: GenerationRequest) => Effect.Effect<Generation, BackendError, Slot>
  /**
   * One attempt at a stream, without retries; it returns with the first text, up to which a failure leaves nothing
   * behind, so that another attempt may follow. Closing the scope before the end part aborts the generation. From then
   * on the ending makes the parts fail, those that are waited for too.
   */
  readonly begin: (
    request: GenerationRequest,
    ending: Ending<CutShort>
  ) => Effect.Effect<Begun, BackendError, Slot | Scope.Scope>
}

/** Where a backend is, and what it is called here. */
export interface BackendTarget {
  readonly name: string
  /** Without a slash at its end. */
  readonly url: string
  /** How long a connection to it may take to be there; a few seconds if not given. */
  readonly connectMillis?: number | undefined
  /** How long a stream that has begun may be silent before it counts as broken off; for ever if not given. */
  readonly silenceMillis?: number | undefined
  /** What it wants to be shown, if it wants anything. */
  readonly key?: Redacted.Redacted | undefined
  /** The model it is asked for, whatever a request says. */
  readonly model?: string
}

/** Whether a backend answers, and how busy it says it is. */
export interface BackendStatus {
  readonly reachable: boolean
  /** Requests waiting inside the backend, where it tells. */
  readonly queue?: number
}

/** A model that a backend runs, as it tells of it. */
export interface BackendModel {
  readonly id: string
  /** Seconds since 1970. */
  readonly created?: number
  readonly ownedBy?: string
}

/** What a KoboldCpp can be asked about itself. */
export const nativeQuestions = [
  "model",
  "apiVersion",
  "version",
  "performance",
  "trueContextLength",
  "contextLength",
  "answerLength"
] as const
export type NativeQuestion = (typeof nativeQuestions)[number]

/** What a KoboldCpp says beside its generations, in its own shapes. Few questions are asked at once. */
export interface NativeFacts {
  /** Ends within two seconds. */
  readonly info: (question: NativeQuestion) => Effect.Effect<JsonObject, BackendError>
  /** How many tokens the `prompt` of these fields is, and which. */
  readonly countTokens: (fields: JsonObject) => Effect.Effect<JsonObject, BackendError>
}

/**
 * The port to a backend: an adapter lists its endpoints in order of preference, and what can go wrong at each is told
 * as a `BackendError` with its remedy. Retry, fallback, slots and deadlines live above it, once for all adapters.
 */
export interface InferenceBackend {
  /** A fixed word, fit for a metric label. */
  readonly name: string
  /** Whose make it is, as traces and metrics call it. */
  readonly provider: string
  /** Where it listens, without a path of ours. */
  readonly url?: string
  readonly endpoints: readonly [Endpoint, ...ReadonlyArray<Endpoint>]
  /** Asks the backend how it is; answers within two seconds. */
  readonly status: Effect.Effect<BackendStatus>
  /** Asks the backend what it runs; ends within two seconds. */
  readonly models: Effect.Effect<ReadonlyArray<BackendModel>, BackendError>
  /** Aborts what another process began with that key. Only where a generation outlives its connection. */
  readonly abandon?: (genkey: string) => Effect.Effect<void>
  /** Only where it is a KoboldCpp. */
  readonly native?: NativeFacts
}
