import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { makeWarnings } from "../../src/services/telemetry/Warnings.ts"
import { capturedLog } from "../support/CapturedLog.ts"
import { sendEvent } from "../support/Http.ts"
import { exportingTo, type Mood, otlpReceiver } from "../support/OtlpReceiver.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const warnings = (lines: ReadonlyArray<string>) => lines.filter((line) => line.includes("OpenTelemetry collector"))

const down = Effect.map(Effect.scoped(otlpReceiver()), ({ url }) => ({ url, asked: () => 0 }))

describe("a collector that is no use", () => {
  const moods: Readonly<Record<string, Mood>> = {
    "that answers 500": 500,
    "that refuses": 403,
    "that never answers": "silent"
  }
  for (const [how, mood] of Object.entries(moods)) {
    it.live(`${how} is told of once, and requests don't wait for it`, () => trouble(otlpReceiver(mood)))
  }
  it.live("that is down is told of once, and requests don't wait for it", () => trouble(down))

  const trouble = <E, R>(make: Effect.Effect<{ readonly url: string; readonly asked: () => number }, E, R>) =>
    Effect.gen(function* () {
      const collector = yield* make
      const { lines, url } = yield* startService({
        ...exportingTo(collector),
        // An export that is given up in a second shows in a test.
        OTEL_EXPORTER_OTLP_TIMEOUT: "1000"
      })
      const began = performance.now()
      for (let request = 0; request < 50; request++) {
        assert.strictEqual((yield* sendEvent(url, { content: "p" })).status, 200)
      }
      // Far less than one export may take.
      assert.isBelow((performance.now() - began) / 50, 100)
      yield* eventually(() => warnings(lines).length > 0)
      yield* sendEvent(url, { content: "p" })
      assert.strictEqual(warnings(lines).length, 1)
    })

  it.effect("is told of once a minute at most", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      yield* Effect.gen(function* () {
        const failed = yield* makeWarnings
        for (let second = 0; second < 150; second++) {
          for (const signal of ["traces", "metrics", "logs"] as const) failed(signal)
          yield* TestClock.adjust("1 second")
        }
      }).pipe(Effect.scoped, log.captured)
      assert.strictEqual(log.lines.length, 3)
      assert.deepInclude(log.entries()[0], { level: "WARNING" })
    })
  )

  it.live("holds up the end of the service for half a second and no longer", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver("silent")
      const began = yield* Effect.scoped(
        Effect.gen(function* () {
          const { url } = yield* startService({ ...exportingTo(collector), OTEL_METRIC_EXPORT_INTERVAL: "60000" })
          yield* sendEvent(url, { content: "p" })
          return performance.now()
        })
      )
      assert.isBelow(performance.now() - began, 3000)
    })
  )
})
