import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Fellows } from "./Fellows.ts"

/** How often the keeper is told what this worker has counted: what a worker that is killed takes along is no more. */
const interval = "1 second"

/** The metrics of all workers. */
export const summedMetrics = ({ keeper }: Fellows): Effect.Effect<string> => Effect.orDie(keeper.ask("metrics", null))

/** Lets the keeper know what this worker has counted. */
export const contributeMetrics = Effect.fnUntraced(function* ({ answer, keeper }: Fellows, own: Effect.Effect<string>) {
  const tell = Effect.map(own, (text) => keeper.tellNow({ tell: "metrics", text }))
  answer("metrics", () => own)
  yield* Effect.forkScoped(Effect.schedule(tell, Schedule.spaced(interval)))
  // A counter must not fall because a worker has come to its end.
  yield* Effect.addFinalizer(() => tell)
})
