import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { CurrentRequest, RequestRecord } from "../../src/services/CurrentRequest.ts"
import { CloserLooks, makeLevel } from "../../src/services/LogLevels.ts"
import { capturedLog } from "../support/CapturedLog.ts"
import { eventually } from "../support/TestService.ts"

const atNoon = TestClock.setTime(Date.UTC(2026, 10, 6, 12, 0, 0, 7))

describe("the log in JSON", () => {
  it.effect("is an object a line, with level, time, message and what is annotated", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      yield* atNoon
      yield* Effect.logInfo("answered").pipe(Effect.annotateLogs({ route: "/event", status: 200 }), log.captured)
      assert.deepStrictEqual(log.entries(), [
        { level: "INFO", time: "2026-11-06T12:00:00.007Z", message: "answered", route: "/event", status: 200 }
      ])
    })
  )

  it.effect("stays one line whatever is in it", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      yield* Effect.logInfo("two\nlines", 5).pipe(Effect.annotateLogs({ key: 'x"\n' }), log.captured)
      assert.notInclude(log.lines[0], "\n")
      assert.deepInclude(log.entries()[0], { message: "two\nlines 5", key: 'x"\n' })
    })
  )

  it.effect("takes an object that is logged for further fields, and leaves out what is undefined", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      yield* Effect.logInfo("answered", { route: "/event", error: undefined }).pipe(log.captured)
      assert.deepInclude(log.entries()[0], { message: "answered", route: "/event" })
      assert.notProperty(log.entries()[0], "error")
    })
  )

  it.effect("names the request that a line is about", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      const record = new RequestRecord({ id: "r-1", traceId: "t-1", client: "1.1.1.1", startedAt: 0 })
      yield* Effect.logInfo("m").pipe(Effect.provideService(CurrentRequest, record), log.captured)
      assert.deepInclude(log.entries()[0], { request_id: "r-1", trace_id: "t-1" })
    })
  )

  it.effect("names the levels as LOG_LEVEL does", () =>
    Effect.gen(function* () {
      const log = capturedLog({ LOG_LEVEL: "TRACE" })
      const logs = [
        Effect.logTrace,
        Effect.logDebug,
        Effect.logInfo,
        Effect.logWarning,
        Effect.logError,
        Effect.logFatal
      ]
      yield* Effect.forEach(logs, (logAt) => logAt("m")).pipe(log.captured)
      const levels = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
      assert.deepStrictEqual(
        log.entries().map((entry) => entry["level"]),
        levels
      )
    })
  )

  it.effect("leaves out what is below LOG_LEVEL", () =>
    Effect.gen(function* () {
      const all = Effect.all([Effect.logDebug("debug"), Effect.logInfo("info"), Effect.logWarning("warning")])
      for (const [level, count] of [
        ["DEBUG", 3],
        ["INFO", 2],
        ["WARNING", 1],
        ["ERROR", 0],
        ["NONE", 0]
      ] as const) {
        const log = capturedLog({ LOG_LEVEL: level })
        yield* Effect.provide(all, log.layer)
        assert.strictEqual(log.lines.length, count, level)
      }
    })
  )

  it.effect("tells the cause of a bug", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      yield* Effect.logError("broken", Cause.die(new Error("the reason"))).pipe(log.captured)
      const [entry] = log.entries()
      assert.strictEqual(entry?.["message"], "broken")
      assert.match(String(entry?.["cause"]), /Error(?:.|\n)*Logging\.test\.ts:\d+/)
    })
  )

  it.effect("tells of a cause where it was thrown, and nothing that was written behind, however deep it goes", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      const loop = new Error("the reason")
      loop.cause = loop
      loop.stack += "\n  prompt: 'who?'"
      yield* Effect.logError("broken", Cause.die(loop)).pipe(log.captured)
      const cause = String(log.entries()[0]?.["cause"])
      assert.strictEqual(cause.split("caused by").length, 6)
      assert.notInclude(cause, "who?")
    })
  )

  it.effect("shows no secret that is redacted", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      const token = Redacted.make("s3cret")
      yield* Effect.logInfo("token", token, { token }).pipe(Effect.annotateLogs({ token }), log.captured)
      assert.notInclude(log.lines.join(), "s3cret")
    })
  )

  it.effect("outlives what JSON has no word for", () =>
    Effect.gen(function* () {
      const log = capturedLog()
      const loop: Record<string, unknown> = {}
      loop["self"] = loop
      yield* Effect.logInfo("odd", 10n, loop).pipe(Effect.annotateLogs({ big: 10n, loop }), log.captured)
      assert.strictEqual(log.entries()[0]?.["level"], "INFO")
    })
  )
})

describe("a closer look", () => {
  it.effect("shows what is below LOG_LEVEL, until there is another", () =>
    Effect.gen(function* () {
      const looks = yield* Queue.unbounded<void>()
      const log = capturedLog({ LOG_LEVEL: "WARNING" })
      const said = () => log.entries().map(({ message }) => message)
      yield* Effect.gen(function* () {
        yield* Effect.logDebug("before")
        Queue.offerUnsafe(looks, undefined)
        yield* eventually(() => log.lines.length === 1)
        yield* Effect.logDebug("during")
        yield* Effect.logTrace("too much")
        Queue.offerUnsafe(looks, undefined)
        yield* eventually(() => log.lines.length === 3)
        yield* Effect.logInfo("after")
      }).pipe(
        Effect.provide(Layer.provide(log.layer, Layer.succeed(CloserLooks)(Stream.fromQueue(looks)))),
        TestClock.withLive
      )
      assert.deepStrictEqual(said(), ["The log begins at DEBUG now", "during", "The log begins at WARNING now"])
    })
  )

  it.effect("leaves a level alone that shows as much already", () =>
    Effect.sync(() => {
      assert.strictEqual(makeLevel("Trace").closest, "Trace")
      assert.strictEqual(makeLevel("None").closest, "Debug")
    })
  )
})

describe("the log for people", () => {
  it.effect("is there on a terminal, unless another is asked for", () =>
    Effect.gen(function* () {
      const isJson = (settings: Record<string, string>, terminal: boolean) =>
        Effect.gen(function* () {
          const log = capturedLog(settings, terminal)
          yield* Effect.provide(Effect.logInfo("m"), log.layer)
          return log.lines[0]?.startsWith("{")
        })
      assert.isFalse(yield* isJson({}, true))
      assert.isTrue(yield* isJson({}, false))
      assert.isTrue(yield* isJson({ LOG_FORMAT: "json" }, true))
      assert.isFalse(yield* isJson({ LOG_FORMAT: "pretty" }, false))
    })
  )

  it.effect("has time, level, message and fields in a line, and a cause below", () =>
    Effect.gen(function* () {
      const log = capturedLog({ LOG_FORMAT: "pretty" })
      yield* atNoon
      const annotated = Effect.annotateLogs({ route: "/event", status: 200 })
      yield* Effect.logWarning("slow").pipe(annotated, log.captured)
      yield* Effect.logError("broken", Cause.die(new Error("the reason"))).pipe(log.captured)
      assert.strictEqual(log.lines[0], "12:00:00.007 WARNING slow route=/event status=200")
      assert.match(log.lines[1] ?? "", /^12:00:00\.007 ERROR {3}broken\n.*Error(?:.|\n)*Logging\.test\.ts:\d+/)
    })
  )
})
