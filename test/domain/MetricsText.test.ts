import { assert, describe, it } from "@effect/vitest"
import { sumMetrics } from "../../src/domain/MetricsText.ts"
import { parseMetrics } from "../support/Prometheus.ts"

const counter = (value: number, labels = 'route="a b"') =>
  `# HELP hits_total Hits, with spaces\n# TYPE hits_total counter\nhits_total{${labels}} ${value}\n`
const gauge = (value: number) => `# HELP depth Depth\n# TYPE depth gauge\ndepth ${value}\n`
const state = (value: number) => `# HELP x_state State\n# TYPE x_state gauge\nx_state{state="open"} ${value}\n`
const histogram = (low: number, all: number) =>
  [
    "# HELP took_seconds Took",
    "# TYPE took_seconds histogram",
    `took_seconds_bucket{le="0.5"} ${low}`,
    `took_seconds_bucket{le="+Inf"} ${all}`,
    `took_seconds_sum ${all * 2}`,
    `took_seconds_count ${all}`
  ].join("\n")

describe("the metrics of several processes", () => {
  it("are summed, series by series, and those that one alone has are kept", () => {
    const sum = sumMetrics([counter(2) + gauge(1), counter(3) + gauge(4), counter(7, 'route="c"')])
    assert.strictEqual(
      sum,
      [
        "# HELP hits_total Hits, with spaces",
        "# TYPE hits_total counter",
        'hits_total{route="a b"} 5',
        'hits_total{route="c"} 7',
        "# HELP depth Depth",
        "# TYPE depth gauge",
        "depth 5",
        ""
      ].join("\n")
    )
    parseMetrics(sum)
  })

  it("add histograms bucket by bucket", () => {
    const sum = parseMetrics(sumMetrics([histogram(1, 4), histogram(2, 3)]))
    assert.deepStrictEqual(
      sum.map(({ value }) => value),
      [3, 7, 14, 7]
    )
  })

  it("tell of a state the share that is in it", () => {
    assert.include(sumMetrics([state(1), state(0), state(0), state(0)]), 'x_state{state="open"} 0.25\n')
    assert.include(sumMetrics([state(1), state(1)]), 'x_state{state="open"} 1\n')
  })

  it("tell the wait in the line that they share once", () => {
    const wait = "# HELP queue_expected_wait_seconds W\n# TYPE queue_expected_wait_seconds gauge\n"
    const text = `${wait}queue_expected_wait_seconds 3\n`
    assert.include(sumMetrics([text, text]), "queue_expected_wait_seconds 3\n")
  })

  it("keep of those that are gone what they have counted, and not how they stood", () => {
    const departed = sumMetrics([], [counter(2) + gauge(5) + state(1), counter(1) + histogram(1, 1)])
    assert.notInclude(departed, "depth")
    const sum = sumMetrics([counter(10) + gauge(1) + state(0)], [departed])
    assert.include(sum, 'hits_total{route="a b"} 13\n')
    assert.include(sum, "depth 1\n")
    assert.include(sum, 'x_state{state="open"} 0\n')
    assert.include(sum, "took_seconds_count 1\n")
  })

  it("keep of those that are gone nothing of backends that the others know no more", () => {
    const of = (backend: string) => counter(1, `backend="${backend}",outcome="success"`)
    const departed = [of("kept") + of("gone") + counter(5)]
    const sum = sumMetrics([of("kept"), of("new")], departed)
    assert.include(sum, 'hits_total{backend="kept",outcome="success"} 2\n')
    assert.include(sum, 'hits_total{backend="new",outcome="success"} 1\n')
    assert.include(sum, 'hits_total{route="a b"} 5\n')
    assert.notInclude(sum, "gone")
    // Who has told nothing yet says nothing of backends either.
    assert.include(sumMetrics(["", ""], departed), 'backend="gone"')
  })
})
