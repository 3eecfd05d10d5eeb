/**
 * ai-ticket as a library: the same typed program that the HTTP service and the CLI run.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { BatchResult } from "./domain/Batch.ts"
import type { Completion } from "./domain/Completion.ts"
import type { InferenceFailure } from "./domain/Failure.ts"
import * as Core from "./services/Core.ts"
import { type EventOptions, Inference } from "./services/Inference.ts"
import { type BatchOptions, type Events, InferencePipeline, type ResultsOptions } from "./services/InferencePipeline.ts"
import { Settings } from "./services/Settings.ts"
import type { SettingsError } from "./services/SettingsSource.ts"

export { BackendError } from "./domain/BackendError.ts"
export type { BatchResult } from "./domain/Batch.ts"
export type { Answer, Completion } from "./domain/Completion.ts"
export { type ErrorBody, type ErrorCode, errorCatalogue } from "./domain/ErrorCatalogue.ts"
export {
  Cancelled,
  DeadlineExceeded,
  errorBody,
  InferenceFailure,
  InvalidInputFormat,
  InvalidParameter,
  InvalidRequest,
  MissingContentField,
  NoBackendAvailable,
  Overloaded,
  PromptExtractionFailed,
  ShuttingDown
} from "./domain/Failure.ts"
export type { AnswerPart, Generation, Usage } from "./domain/Generation.ts"
export { type EventOptions, Inference } from "./services/Inference.ts"
export {
  type BatchOptions,
  type Events,
  InferencePipeline,
  type PatientOptions,
  type ResultsOptions
} from "./services/InferencePipeline.ts"
export { SettingsError } from "./services/SettingsSource.ts"

/**
 * Turns an event, in any of the shapes that `POST /event` takes, into a completion.
 *
 * Fails with one of `InferenceFailure`; `errorBody` tells it as HTTP would. Interrupting it aborts the generation at
 * the backend.
 */
export const onEvent = (
  event: unknown,
  options?: EventOptions
): Effect.Effect<Completion, InferenceFailure, Inference> =>
  Effect.flatMap(Inference, (inference) => inference.onEvent(event, options))

/**
 * Runs many events, each in any of the shapes that `POST /event` takes, and gives their results in the order of the
 * events. A failed event is a result, not a failure; one that meets a full line waits and tries again.
 *
 * At most `maxConcurrency` (8) are asked for at once. Interrupting it aborts those at the backend.
 */
export const runBatch = <E = never, R = never>(
  events: Events<E, R>,
  options?: BatchOptions
): Effect.Effect<Array<BatchResult>, E, R | InferencePipeline> =>
  Effect.flatMap(InferencePipeline, (pipeline) => pipeline.runBatch(events, options))

/**
 * The same as a stream of results, as they come, for batches that are too large to be kept: events are taken only as fast
 * as results are read. Whoever stops reading aborts what is with the backend.
 */
export const batchResults = <E = never, R = never>(
  events: Events<E, R>,
  options?: ResultsOptions
): Stream.Stream<BatchResult, E, R | InferencePipeline> =>
  Stream.unwrap(Effect.map(InferencePipeline, (pipeline) => pipeline.results(events, options)))

/**
 * What `onEvent` and batches need: one waiting line, breaker and connection pool. Build it once and share it.
 *
 * Settings are those of the service, by the names of its environment variables: the given ones first, then the
 * environment's. Fails with a `SettingsError` for a value that can't be, or a file of backends that can't be used.
 */
export const layer = (
  settings: Readonly<Record<string, string>> = {}
): Layer.Layer<Inference | InferencePipeline, SettingsError> =>
  InferencePipeline.layer.pipe(
    Layer.provideMerge(Core.layer),
    Layer.provide(NodeFileSystem.layer),
    Layer.provide(
      Settings.layer([
        { name: "flag", provider: ConfigProvider.fromEnvRecord(settings) },
        { name: "environment", provider: ConfigProvider.fromEnv() }
      ])
    )
  )
