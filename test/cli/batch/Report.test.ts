import { assert, describe, it } from "@effect/vitest"
import { failed } from "../../../src/cli/batch/Reply.ts"
import { durationText, progressLine, summary } from "../../../src/cli/batch/Report.ts"
import { makeCounter } from "../../../src/cli/batch/Tally.ts"

const tallyOf = (counts: { ok?: number; failed?: number; skipped?: number }) => {
  const { count, skip, tally } = makeCounter()
  for (let at = 0; at < (counts.ok ?? 0); at++) {
    count({ code: "ok", body: {}, tokens: { prompt: 3, completion: 2 } })
  }
  for (let at = 0; at < (counts.failed ?? 0); at++) count(failed(at === 0 ? "overloaded" : "invalid_parameter", {}))
  for (let at = 0; at < (counts.skipped ?? 0); at++) skip(at === 0 ? "failed" : "ok")
  return tally()
}

describe("the progress of a batch", () => {
  const progress = { elapsedMillis: 10_000, columns: 200, total: undefined, waiting: 0 }

  it("tells how far it is, what failed, the rate and what is left", () => {
    assert.strictEqual(
      progressLine({ ...progress, total: 100, tally: tallyOf({ ok: 18, failed: 2, skipped: 5 }) }),
      "█████░░░░░░░░░░░░░░░ 25/100  2 failed  2.0/s  38 s left"
    )
  })

  it("tells less where less is known", () => {
    assert.strictEqual(progressLine({ ...progress, tally: tallyOf({ ok: 20 }) }), "20 done  2.0/s")
    assert.strictEqual(
      progressLine({ ...progress, total: 3, tally: tallyOf({}), waiting: 3 }),
      "░░░░░░░░░░░░░░░░░░░░ 0/3  0.0/s  3 waiting to try again"
    )
  })

  it("fits into a row, and doesn't mind an input that has grown or is empty", () => {
    const line = (columns: number, total: number) =>
      progressLine({ ...progress, columns, total, tally: tallyOf({ ok: 20 }) })
    assert.strictEqual(line(30, 100), "████░░░░░░░░░░░░░░░░ 20/100  ")
    assert.isAtMost(line(0, 100).length, 79)
    assert.match(line(100, 10), /^█{20} 20\/10 /)
    assert.match(progressLine({ ...progress, total: 0, tally: tallyOf({}) }), /^█{20} 0\/0 /)
  })
})

describe("the summary of a batch", () => {
  it("tells what came of it, the most frequent failure first", () => {
    assert.strictEqual(
      summary(tallyOf({ ok: 7, failed: 3, skipped: 4 }), 12_345),
      "10 events in 12 s: 7 ok, 3 failed (invalid_parameter 2, overloaded 1), 4 skipped (1 had failed). Tokens: 21 in, 14 out."
    )
    assert.strictEqual(
      summary(tallyOf({ ok: 1 }), 0),
      "1 event in 0 s: 1 ok, 0 failed, 0 skipped. Tokens: 3 in, 2 out."
    )
  })

  it.each([
    [0, "0 s"],
    [1.26, "1.3 s"],
    [59.4, "59 s"],
    [60, "1 min 0 s"],
    [3599, "59 min 59 s"],
    [3600, "1 h 0 min"],
    [7260, "2 h 1 min"]
  ])("tells %d seconds as %s", (seconds, told) => {
    assert.strictEqual(durationText(seconds), told)
  })
})
