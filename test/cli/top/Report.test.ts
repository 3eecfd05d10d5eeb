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
