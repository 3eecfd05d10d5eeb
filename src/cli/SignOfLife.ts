import * as Effect from "effect/Effect"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { withStatusLine } from "./StatusLine.ts"

/** Tells on a terminal how long something has been waited for. */
export const withSignOfLife = withStatusLine({
  every: "1 second",
  line: (elapsedMillis) => Effect.succeed(`Waiting, ${Math.round(elapsedMillis / 1000)} s`)
})

/** The same for a stream, until it brings something. */
export const withSignOfLifeAtFirst = <A, E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E, R | Stdio.Stdio> =>
  Stream.transformPull(self, (pull) =>
    Effect.sync(() => {
      let waiting = true
      return Effect.suspend(() => {
        if (!waiting) return pull
        waiting = false
        return withSignOfLife(pull)
      })
    })
  )
