import * as Effect from "effect/Effect"
import { until } from "./Http.ts"

/** Returns when a number has stayed the same for a while. */
export const settled = (look: () => number) => {
  const looks: Array<number> = []
  const lookAgain = Effect.delay(
    Effect.sync(() => void looks.push(look())),
    "100 millis"
  )
  return Effect.map(
    until(lookAgain, () => looks.length > 2 && looks.at(-1) === looks.at(-3)),
    look
  )
}
