import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Activity } from "../../domain/Activity.ts"
import type { Fellows } from "./Fellows.ts"

/** How often the keeper is told what this worker has done: what a worker that is killed takes along is no more. */
const interval = "1 second"

/** What all workers have done; what this one has, until the keeper knows of any. */
export const summedActivity = ({ keeper }: Fellows, own: Effect.Effect<Activity>): Effect.Effect<Activity> =>
  Effect.gen(function* () {
    return (yield* Effect.orDie(keeper.ask("activity", null))) ?? (yield* own)
  })

/** Lets the keeper know what this worker has done. */
export const contributeActivity = Effect.fnUntraced(function* (
  { answer, keeper }: Fellows,
  own: Effect.Effect<Activity>
) {
  const tell = Effect.map(own, (activity) => keeper.tellNow({ tell: "activity", activity }))
  answer("activity", () => own)
  yield* Effect.forkScoped(Effect.schedule(tell, Schedule.spaced(interval)))
  // A total must not fall because a worker has come to its end.
  yield* Effect.addFinalizer(() => tell)
})
