import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type { Activity } from "../../src/domain/Activity.ts"
import { MetricsSummary } from "../../src/domain/MetricsSummary.ts"
import { type Standing, summarise } from "../../src/domain/Summarise.ts"
import { idle, up, well } from "../support/Activity.ts"

const states = (activity: Activity, standing: Standing) =>
  Object.fromEntries(summarise(activity, standing).panels.map(({ id, state }) => [id, state]))

const failing = (minuteServerErrors: number): Activity => ({
  ...idle,
  late: { ...idle.late, minute: 100, minuteServerErrors }
})

const waiting = (waiting: number): Standing => ({ ...well, queue: { ...well.queue, waiting } })

describe("the summary", () => {
  it("is of its schema, with nothing done too", () => {
    const summary = summarise(idle, well)
    assert.deepStrictEqual(Schema.decodeUnknownSync(MetricsSummary)(JSON.parse(JSON.stringify(summary))), summary)
    assert.deepStrictEqual(summary.latency_ms, { average: null, p50: null, p95: null })
    assert.lengthOf(summary.sparkline.latency_ms, 24)
    assert.strictEqual(summary.queue.slots, 2)
  })

  it("tells rates by the second and by the minute, and averages of what succeeded", () => {
    const last = (values: ReadonlyArray<number>, value: number) => [...values.slice(1), value]
    const { points } = idle
    const { latency_ms, sparkline, throughput, tokens } = summarise(
      {
        ...idle,
        late: { tenSeconds: 25, minute: 90, minuteServerErrors: 0, minuteTokens: 630 },
        points: { ...points, succeeded: last(points.succeeded, 4), millis: last(points.millis, 1002) },
        latency: { ...idle.latency, count: 4, sum: 1002 }
      },
      well
    )
    assert.deepStrictEqual(throughput, { per_second: 2.5, per_minute: 90 })
    assert.strictEqual(tokens.per_second, 10.5)
    assert.deepStrictEqual(
      [latency_ms.average, sparkline.latency_ms.at(-1), sparkline.latency_ms[0]],
      [250.5, 250.5, null]
    )
  })

  it("is all well where nothing is amiss", () => {
    assert.deepStrictEqual(states(idle, well), { service: "ok", backends: "ok", queue: "ok", errors: "ok" })
  })

  it("tells of what isn't well, and of what is worse", () => {
    const down = { ...up, name: "two", state: "down" } as const
    assert.strictEqual(states(idle, { ...well, ready: false })["service"], "critical")
    assert.strictEqual(states(idle, { ...well, ready: false, draining: true })["service"], "warning")
    assert.strictEqual(states(idle, { ...well, backends: [up, down] })["backends"], "warning")
    assert.strictEqual(states(idle, { ...well, backends: [{ ...up, breaker: "open" }] })["backends"], "critical")
    assert.strictEqual(states(idle, { ...well, backends: [{ ...up, health: "failing" }] })["backends"], "critical")
    assert.strictEqual(states(idle, waiting(49))["queue"], "ok")
    assert.strictEqual(states(idle, waiting(50))["queue"], "warning")
    assert.strictEqual(states(idle, waiting(100))["queue"], "critical")
    assert.strictEqual(states(failing(0), well)["errors"], "ok")
    assert.strictEqual(states(failing(1), well)["errors"], "warning")
    assert.strictEqual(states(failing(10), well)["errors"], "critical")
  })
})
