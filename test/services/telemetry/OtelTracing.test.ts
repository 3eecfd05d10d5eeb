import { assert, describe, it } from "@effect/vitest"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { AlwaysOnSampler, type ReadableSpan } from "@opentelemetry/sdk-trace"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { makeTracing } from "../../../src/services/telemetry/OtelTracing.ts"
import { movableClock } from "../../support/MovableClock.ts"

describe("the times of a span", () => {
  it.effect("don't jump with the time of day", () =>
    Effect.gen(function* () {
      const ended: Array<ReadableSpan> = []
      const tracing = makeTracing({
        processor: {
          forceFlush: async () => {},
          onStart: () => {},
          onEnd: (span) => ended.push(span),
          shutdown: async () => {}
        },
        propagators: new Set(),
        resource: resourceFromAttributes({}),
        sampler: new AlwaysOnSampler(),
        scope: { name: "test" },
        tellsContent: false
      })
      const { pass, seen, setTimeOfDay } = yield* movableClock
      const clock = yield* seen(Clock.Clock)
      for (const byMillis of [3_600_000, -3_600_000]) {
        const span = tracing.begin({}, { name: () => "s", clock, traceId: "ab".repeat(16) })
        setTimeOfDay(byMillis)
        pass(1500)
        span.end()
      }
      assert.deepStrictEqual(
        ended.map(({ duration }) => duration),
        [
          [1, 500_000_000],
          [1, 500_000_000]
        ]
      )
    })
  )
})
