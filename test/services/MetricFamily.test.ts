import { queryObjects } from "node:v8"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { family } from "../../src/services/MetricFamily.ts"

const counters = () => {
  const context = Context.make(Metric.MetricRegistry, new Map())
  const counter = family<number>(context, (name, description, attributes) =>
    Metric.counter(name, { description, attributes })
  )("a_total", "A test", "a", "b")
  const counts = () =>
    Metric.snapshotUnsafe(context).map(({ attributes, state }) => ({
      labels: { ...attributes },
      count: Reflect.get(state, "count")
    }))
  return { ...counter, counts }
}

/** The labels of two values, without those that are none. */
const labelsOf = (a: string | undefined, b: string | undefined) => ({
  ...(a === undefined ? {} : { a }),
  ...(b === undefined ? {} : { b })
})

describe("a family of metrics", () => {
  it("has a series for each set of values, in their places, and forgets those of a label alone", () => {
    for (const label of ["a", "b"] as const) {
      const { counts, forget, update } = counters()
      const sets: ReadonlyArray<readonly [string | undefined, string | undefined]> = [
        ["x", "y"],
        ["y", "x"],
        ["x", ""],
        ["", "x"],
        ["x", undefined],
        [undefined, "x"],
        ["x\ny", "x"],
        ["x", "y\nx"],
        [undefined, undefined]
      ]
      for (const [at, [a, b]] of sets.entries()) {
        update(1, a, b)
        update(at, a, b)
      }
      const all = sets.map(([a, b], at) => ({ labels: labelsOf(a, b), count: at + 1 }))
      assert.sameDeepMembers(counts(), all)
      forget(label, "x")
      update(40, "x", "x")
      const left = all.filter(({ labels }) => labels[label] !== "x")
      assert.sameDeepMembers(counts(), [...left, { labels: { a: "x", b: "x" }, count: 40 }])
    }
  })

  it("keeps nothing of what it forgets", () => {
    const { forget, update } = counters()
    const before = queryObjects(Map, { format: "count" })
    for (let at = 0; at < 1000; at++) {
      update(1, `b${at}`, "won")
      forget("a", `b${at}`)
    }
    assert.isBelow(queryObjects(Map, { format: "count" }) - before, 100)
  })
})
