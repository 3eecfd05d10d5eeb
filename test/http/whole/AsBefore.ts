import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { atRest } from "../../support/AtRest.ts"
import { nothingLeft } from "../../support/LeftBehind.ts"
import { Running } from "../../support/Running.ts"
import { postRaw } from "../../support/Sse.ts"
import type { WholeSurface } from "../../support/WholeSurfaces.ts"

/** The next one is served as if nothing had happened, and nothing is left behind. */
export const assertAsBefore = Effect.fnUntraced(function* (surface: WholeSurface) {
  const { backend, context, url } = yield* Running
  yield* atRest(context)
  backend.script({})
  const { text } = yield* postRaw(url, surface.path, surface.request)
  assert.strictEqual(surface.textIn(text).trim(), `from ${surface.endpoint}`)
  yield* nothingLeft
})
