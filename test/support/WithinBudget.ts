import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { withDeadline } from "../../src/services/Deadline.ts"
import { makeTimer } from "../../src/services/Timer.ts"

/** A time budget with a timer of its own. */
export const withinBudget =
  (budget: Duration.Input, startedAt?: number) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.scopedWith((scope) =>
      Effect.flatMap(Effect.provideService(makeTimer, Scope.Scope, scope), (timer) =>
        withDeadline({ timer, budget: Duration.toMillis(budget), startedAt })(self)
      )
    )
