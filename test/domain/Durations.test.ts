import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import {
  addDurations,
  bucketCount,
  bucketOf,
  type Durations,
  noDurations,
  percentile
} from "../../src/domain/Durations.ts"

const measured = (all: ReadonlyArray<number>): Durations => {
  const buckets = Array.from({ length: bucketCount }, () => 0)
  for (const millis of all) buckets[bucketOf(millis)] = (buckets[bucketOf(millis)] ?? 0) + 1
  return { count: all.length, sum: all.reduce((sum, millis) => sum + millis, 0), buckets }
}

const within = (value: number | undefined, wanted: number) => {
  assert.isDefined(value)
  assert.isAtMost(Math.abs((value ?? 0) - wanted) / wanted, 0.1, `${value} instead of ${wanted}`)
}

const Millis = Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))
const Share = Schema.Literals([0.05, 0.5, 0.95, 1])

describe("percentiles", () => {
  it("are right to a tenth, from a millisecond to a quarter of an hour", () => {
    const all = Array.from({ length: 1000 }, (_, at) => 1.0138 ** at)
    for (const share of [0.5, 0.9, 0.95, 0.99]) within(percentile(measured(all), share), all[share * 1000 - 1] ?? 0)
  })

  it.prop(
    "are right to a tenth, however few there are",
    { all: Schema.NonEmptyArray(Millis), share: Share },
    ({ all, share }) => {
      const sorted = [...all].sort((a, b) => a - b)
      within(percentile(measured(all), share), sorted[Math.ceil(share * all.length) - 1] ?? 0)
    }
  )

  it("are those of all that was measured, whoever measured it", () => {
    const [quick, slow] = [measured(Array(90).fill(10)), measured(Array(10).fill(2000))]
    within(percentile(addDurations(quick, slow), 0.5), 10)
    within(percentile(addDurations(slow, quick), 0.95), 2000)
    assert.deepStrictEqual(addDurations(noDurations, quick), quick)
  })

  it("know nothing of nothing, and something of what is out of bounds", () => {
    assert.isUndefined(percentile(noDurations, 0.5))
    assert.isAtMost(percentile(measured([0.1]), 0.5) ?? 9, 1)
    assert.isAbove(percentile(measured([1e12]), 0.95) ?? 0, 900_000)
  })
})
