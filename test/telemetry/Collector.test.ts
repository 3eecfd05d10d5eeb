import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { Settings } from "../../src/services/Settings.ts"
import { readOtelSettings } from "../../src/services/telemetry/OtelSettings.ts"
import * as Sdk from "../../src/services/telemetry/Sdk.ts"
import { Tracing } from "../../src/services/telemetry/Tracing.ts"
import { makeWarnings } from "../../src/services/telemetry/Warnings.ts"
import { capturedLog } from "../support/CapturedLog.ts"
import { sendEvent } from "../support/Http.ts"
import { exportingTo, type Mood, otlpReceiver } from "../support/OtlpReceiver.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const warnings = (lines: ReadonlyArray<string>) => lines.filter((line) => line.includes("OpenTelemetry collector"))

const json = { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }

const down = Effect.map(Effect.scoped(otlpReceiver()), ({ url }) => ({ url, asked: () => 0 }))

/** Tells a span and a log line of that name to whatever the variables name. */
const telling = Effect.fnUntraced(function* (variables: Readonly<Record<string, string>>) {
  const settings = yield* Effect.provide(readOtelSettings, Settings.layerRecord(variables))
  const sdk = Sdk.layer(settings ?? assert.fail("nothing is to be exported"))
  const context = yield* Layer.build(Layer.merge(sdk, capturedLog().layer))
  const tracing = Context.get(context, Tracing) ?? assert.fail("there are no traces")
  const clock = yield* Clock.Clock
  return (name: string) =>
    Effect.suspend(() => {
      tracing.begin({}, { name: () => name, clock, traceId: randomUUID().replaceAll("-", "") }).end()
      return Effect.provideContext(Effect.logInfo(name), context)
    })
})

describe("what waits for a collector", () => {
  const tellMany = (variables: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const tell = yield* telling({ ...exportingTo(collector), ...variables })
          for (let told = 0; told < 100; told++) yield* tell("t")
        })
      )
      return collector
    })

  it.live("is sent in batches as large as they may be", () =>
    Effect.gen(function* () {
      const { exports } = yield* tellMany({
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "7",
        OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: "9"
      })
      assert.strictEqual(Math.max(...exports.map(({ spans }) => spans.length)), 7)
      assert.strictEqual(Math.max(...exports.map(({ logs }) => logs.length)), 9)
    })
  )

  it.live("is as much as there may be, and the rest is lost", () =>
    Effect.gen(function* () {
      const collector = yield* tellMany({
        ...{ OTEL_BSP_MAX_QUEUE_SIZE: "10", OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "5" },
        ...{ OTEL_BLRP_MAX_QUEUE_SIZE: "10", OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: "5" }
      })
      for (const { length } of [collector.spans(), collector.logs()]) {
        assert.isTrue(0 < length && length < 100, `${length}`)
      }
    })
  )
})

describe("a collector that is no use", () => {
  const moods: Readonly<Record<string, readonly [Mood, string]>> = {
    "that answers 500": [500, "status 500"],
    "that refuses": [403, "status 403"],
    "that takes a part": ["picky", "3 in it were refused"],
    "that never answers": ["silent", "no answer in time"],
    "that wants to be left alone": ["tired", "status 503"]
  }
  for (const [how, [mood, reason]] of Object.entries(moods)) {
    it.live(`${how} is told of once, and requests don't wait for it`, () => trouble(otlpReceiver(mood), reason))
  }
  it.live("that is down is told of once, and requests don't wait for it", () => trouble(down, "connection refused"))

  const trouble = <E, R>(
    make: Effect.Effect<{ readonly url: string; readonly asked: () => number }, E, R>,
    reason: string,
    settings: Readonly<Record<string, string>> = {}
  ) =>
    Effect.gen(function* () {
      const collector = yield* make
      const { lines, url } = yield* startService({
        ...exportingTo(collector),
        // An export that is given up in a second shows in a test.
        OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
        OTEL_METRIC_EXPORT_INTERVAL: "1000",
        ...settings
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
      assert.include(warnings(lines)[0], `(${reason})`)
    })

  it.live("that takes a part of JSON is told of too", () =>
    trouble(otlpReceiver("picky"), "3 in it were refused", json)
  )

  for (const mood of ["begins", "drips"] as const) {
    it.live(
      `that ${mood === "begins" ? "begins an answer and leaves it at that" : "drips its answer"} gets the next export all the same`,
      () =>
        Effect.gen(function* () {
          const collector = yield* otlpReceiver(mood)
          const { url } = yield* startService({ ...exportingTo(collector), OTEL_EXPORTER_OTLP_TIMEOUT: "1000" })
          yield* sendEvent(url, { content: "p" })
          yield* eventually(() => collector.asked("traces") === 1)
          yield* sendEvent(url, { content: "p" })
          yield* eventually(() => collector.asked("traces") > 1)
        })
    )
  }

  it.live("that wants to be asked again at once is given a moment", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver("hasty")
      const { url } = yield* startService({ ...exportingTo(collector), OTEL_METRICS_EXPORTER: "none" })
      yield* sendEvent(url, { content: "p" })
      yield* eventually(() => collector.asked("traces") >= 1)
      const began = performance.now()
      yield* eventually(() => collector.asked("traces") >= 2)
      assert.isAbove(performance.now() - began, 500)
    })
  )

  it.live(
    "costs no more memory than some thousand spans and log lines, and gets what comes once it is well again",
    () =>
      Effect.gen(function* () {
        const collector = yield* otlpReceiver("silent")
        const tell = yield* telling({ ...exportingTo(collector), OTEL_EXPORTER_OTLP_TIMEOUT: "300" })
        for (let told = 0; told < 20_000; told++) yield* tell("early")
        // Four exports of each have been under way at most, and are lost with whoever didn't take them.
        yield* eventually(() => collector.asked() > 0)
        collector.recover()
        const late = () =>
          collector.spans().some(({ name }) => name === "late") && collector.logs().some(({ body }) => body === "late")
        yield* Effect.repeat(Effect.andThen(tell("late"), Effect.sync(late)), {
          until: (heard) => heard,
          schedule: Schedule.spaced("20 millis")
        })
        const kept = [collector.spans().map(({ name }) => name), collector.logs().map(({ body }) => body)].map(
          (all) => all.filter((name) => name === "early").length
        )
        for (const count of kept) assert.isAtMost(count, 4096)
      })
  )

  it.effect("is told of once a minute at most", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      yield* Effect.gen(function* () {
        const failed = yield* makeWarnings
        for (let second = 0; second < 150; second++) {
          for (const signal of ["traces", "metrics", "logs"] as const) failed(signal, "status 500")
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
