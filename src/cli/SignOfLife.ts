import * as Effect from "effect/Effect"
import { withStatusLine } from "./StatusLine.ts"

/** Tells on a terminal how long something has been waited for. */
export const withSignOfLife = withStatusLine({
  every: "1 second",
  line: (elapsedMillis) => Effect.succeed(`Waiting, ${Math.round(elapsedMillis / 1000)} s`)
})
