import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readOtelSettings } from "./OtelSettings.ts"

/**
 * Traces, metrics and logs to an OpenTelemetry collector, where its variables say so. Otherwise nothing is there, and
 * none of its modules has been loaded.
 */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const settings = yield* readOtelSettings
    if (settings === undefined) return Layer.empty
    const sdk = yield* Effect.promise(() => import("./Sdk.ts"))
    return sdk.layer(settings)
  })
)
