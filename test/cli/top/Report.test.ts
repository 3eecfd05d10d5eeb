import { assert, describe, it } from "@effect/vitest"
import { legible } from "../../../src/cli/top/Legible.ts"
import { sectionsOf } from "../../../src/cli/top/Report.ts"
import type { MetricsSummary } from "../../../src/domain/MetricsSummary.ts"
import { summaryOf, up } from "../../support/Activity.ts"

describe("the report of a backend", () => {
  const backends: ReadonlyArray<readonly [Partial<MetricsSummary["backends"][number]>, told: string]> = [
    [{}, "<ok>up "],
    [{ health: "unknown" }, "<ok>up "],
    [{ state: "down" }, "<critical>down "],
    [{ breaker: "open" }, "<critical>up, good, breaker open "],
    [{ health: "failing" }, "<critical>up, failing, breaker closed "]
  ]
  for (const [how, told] of backends) {
    it(`shows ${told}for ${JSON.stringify(how)}`, () => {
      const sections = sectionsOf(
        summaryOf({}, { backends: [{ ...up, ...how }] }),
        (state, text) => `<${state}>${text}`
      )
      assert.include(sections.find(({ title }) => title === "Backends")?.lines[1], told)
    })
  }
})

describe("what somebody else wrote", () => {
  it("does nothing to a terminal, and stays in its line", () => {
    const { backends } = legible(summaryOf({}, { backends: [{ ...up, name: "o\u001b[2Jne\r\ntwo" }] }))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    assert.notMatch(backends[0]?.name ?? "", /[\u0000-\u001f]/)
    assert.match(backends[0]?.name ?? "", /^o.*ne.*two$/)
  })
})

/** More than can be handed to a function one by one, and few enough for an answer that is read. */
const many = 200_000

describe("a summary for people", () => {
  it("is told, however much somebody claims that there is of it", () => {
    const summary = summaryOf({}, { backends: Array.from({ length: many }, () => up) })
    const { sparkline } = summary
    const claimed = {
      ...summary,
      sparkline: { ...sparkline, requests: Array<number>(many).fill(1), latency_ms: Array<null>(many).fill(null) }
    }
    assert.strictEqual(sectionsOf(legible(claimed), (_, text) => text)[3]?.lines.length, many + 1)
  })

  it("has no name that makes all lines long", () => {
    const summary = summaryOf({}, { backends: [up, { ...up, name: "n".repeat(1_000_000) }] })
    const [, short, long] = sectionsOf(legible(summary), (_, text) => text)[3]?.lines ?? []
    for (const line of [short, long]) assert.isBelow(line?.length ?? Number.POSITIVE_INFINITY, 1000)
  })
})
