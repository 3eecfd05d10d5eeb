import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logging from "../../src/services/Logging.ts"
import { Settings } from "../../src/services/Settings.ts"

/** A log whose lines a test can read, in the service's own format. */
export const capturedLog = (settings: Readonly<Record<string, string>> = {}, terminal = false) => {
  const lines: Array<string> = []
  const layer = Logging.layer((line) => void lines.push(line), { terminal }).pipe(
    Layer.provide(Settings.layerRecord(settings)),
    Layer.orDie
  )
  const entries = (): ReadonlyArray<Record<string, unknown>> => lines.map((line) => JSON.parse(line))
  return { lines, entries, layer, captured: Effect.provide(layer) }
}
