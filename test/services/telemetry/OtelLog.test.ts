import { assert, describe, it } from "@effect/vitest"
import { resourceFromAttributes } from "@opentelemetry/resources"
import type { SdkLogRecord } from "@opentelemetry/sdk-logs"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { AlsoLog } from "../../../src/services/Logging.ts"
import { alsoToCollector } from "../../../src/services/telemetry/OtelLog.ts"
import { bytesInUse } from "../../support/BytesInUse.ts"
import { capturedLog } from "../../support/CapturedLog.ts"

/** What a collector would be sent. */
const listening = () => {
  const lines: Array<SdkLogRecord> = []
  const tell = alsoToCollector({
    processor: {
      forceFlush: async () => {},
      onEmit: (line) => lines.push(line),
      shutdown: async () => {}
    },
    resource: resourceFromAttributes({}),
    scope: { name: "test" }
  })
  return { lines, tell }
}

describe("a line for the collector", () => {
  it.effect("has the fields that the log writes, and none that they inherit", () =>
    Effect.gen(function* () {
      const { lines, tell } = listening()
      const log = capturedLog()
      const fields = Object.assign(Object.create({ inherited: "not written" }), { text: "a", number: 1, truth: false })
      yield* Effect.logInfo("told", fields).pipe(
        Effect.annotateLogs({ annotated: "too", text: "overwritten" }),
        log.captured,
        Effect.provideService(AlsoLog, tell)
      )
      const { level, message, time, ...written } = log.entries()[0] ?? {}
      assert.deepStrictEqual(written, { annotated: "too", text: "a", number: 1, truth: false })
      assert.deepStrictEqual(lines[0]?.attributes, written)
    })
  )

  it.effect("keeps 64 kB of a text at most: thousands may wait", () =>
    Effect.withFiber((fiber) => {
      const megabyte = 1024 * 1024
      const { lines, tell } = listening()
      const before = bytesInUse()
      for (let at = 0; at < 50; at++) {
        const prompt = JSON.stringify(`${at % 10}`.repeat(megabyte))
        const fields = [{ request_id: "r" }, { prompt }]
        tell(
          prompt,
          { level: "INFO", text: "inference", fields, cause: undefined },
          { cause: Cause.empty, date: new Date(0), fiber, logLevel: "Info", message: "inference" }
        )
      }
      assert.isBelow(bytesInUse() - before, 20 * megabyte)
      const { prompt, request_id } = lines[49]?.attributes ?? {}
      assert.deepStrictEqual([request_id, String(prompt).length], ["r", 65_536])
      return Effect.void
    })
  )
})
