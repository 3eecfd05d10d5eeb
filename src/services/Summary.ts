import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { MetricsSummary } from "../domain/MetricsSummary.ts"
import { summarise } from "../domain/Summarise.ts"
import { Lifecycle } from "./Lifecycle.ts"
import { Metrics } from "./Metrics.ts"
import { Readiness } from "./Readiness.ts"
import { Settings } from "./Settings.ts"

/** How often those who watch are told of changes, at most. */
const watchInterval = "500 millis"

/** What a dashboard shows: what was done, what of late, and how everything stands. */
export class Summary extends Context.Service<
  Summary,
  {
    readonly now: Effect.Effect<MetricsSummary>
    /**
     * The summary as JSON, and again when it has changed. It is made once for all who watch, and not at all while nobody
     * does. It ends when this instance is about to.
     */
    readonly changes: Stream.Stream<string>
  }
>()("ai-ticket/services/Summary") {
  static readonly layer = Layer.effect(
    Summary,
    Effect.gen(function* () {
      const { queueLimit } = yield* Settings
      const metrics = yield* Metrics
      const readiness = yield* Readiness
      const lifecycle = yield* Lifecycle

      const now = Effect.gen(function* () {
        const [activity, { backends, draining, queue, ready }] = yield* Effect.all(
          [metrics.activity, readiness.report],
          { concurrency: 2 }
        )
        return summarise(activity, { backends, draining, ready, queue: { ...queue, limit: queueLimit } })
      })

      const changes = yield* Stream.fromEffectSchedule(now, Schedule.spaced(watchInterval)).pipe(
        Stream.takeUntil(() => lifecycle.leaving()),
        Stream.map((summary) => JSON.stringify(summary)),
        Stream.changes,
        Stream.share({ capacity: 1, strategy: "sliding", replay: 1 })
      )
      return Summary.of({ now, changes })
    })
  )
}
