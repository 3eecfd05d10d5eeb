import { assert, describe, it } from "@effect/vitest"
import { displayWidth } from "effect/cli/CliOutput"
import { duration, quantity, timeOfDay } from "../../../src/cli/top/Quantities.ts"
import type { Section } from "../../../src/cli/top/Report.ts"
import { sparkline } from "../../../src/cli/top/Sparkline.ts"
import { fitted, frame } from "../../../src/cli/top/View.ts"

const plain = { columns: 0, title: (text: string) => text }

const sections: ReadonlyArray<Section> = [
  { title: "One", lines: ["first line", "a line that is rather long, as lines go, and longer still than that"] },
  { title: "Two", lines: ["only line"] },
  { title: "Errors", lines: Array.from({ length: 20 }, (_, at) => `error ${at}`) }
]

describe("a frame", () => {
  it("is boxes where there is room, and as many of the last lines as fit", () => {
    const rows = frame(sections, "footer", { columns: 60, rows: 16 }, plain)
    assert.lengthOf(rows, 16)
    assert.strictEqual(rows.at(-1), "footer")
    assert.strictEqual(rows.filter((row) => row.startsWith("╭")).length, 3)
    assert.deepStrictEqual(
      rows.slice(-8, -2),
      [0, 1, 2, 3, 4, 5].map((at) => `│ error ${at}`)
    )
  })

  it("never has more rows or cells than fit, however small", () => {
    for (const columns of [1, 2, 10, 39, 40, 41, 200]) {
      for (const rows of [1, 2, 5, 9, 12, 24, 60]) {
        const drawn = frame(sections, "a footer that is long too", { columns, rows }, plain)
        assert.isAtMost(drawn.length, rows, `${columns}x${rows}`)
        for (const row of drawn) assert.isAtMost(displayWidth(row), columns, row)
      }
    }
  })

  it("has no boxes on a narrow terminal", () => {
    const rows = frame(sections, "footer", { columns: 30, rows: 12 }, plain)
    assert.deepStrictEqual(rows.slice(0, 3), ["One", "first line", "a line that is rather long, a…"])
  })
})

describe("a line", () => {
  it("is cut by cells, and loses the colours that it would not end", () => {
    assert.strictEqual(fitted("short", 5), "short")
    assert.strictEqual(fitted("日本語です", 6), "日本…")
    assert.strictEqual(fitted("\u001b[31mred and more\u001b[39m", 6), "red a…")
    assert.strictEqual(fitted("\u001b[31mred\u001b[39m", 3), "\u001b[31mred\u001b[39m")
    assert.strictEqual(fitted("much", 0), "")
  })
})

describe("numbers for people", () => {
  it("are short", () => {
    assert.deepStrictEqual([null, 0.04, 7.31, 812.4, 1234, 45_600, 180_000].map(duration), [
      ...["-", "0 ms", "7.3 ms", "812 ms", "1.2 s", "46 s", "3 min"]
    ])
    assert.deepStrictEqual([0, 9999, 12_345, 123_456_789].map(quantity), ["0", "9999", "12k", "123M"])
    assert.strictEqual(timeOfDay("2026-01-02T03:04:05.678Z"), "03:04:05")
  })

  it("are bars", () => {
    assert.strictEqual(sparkline([0, 1, 4, 8, null]), "·▂▅█·")
    assert.strictEqual(sparkline([0, null]), "··")
  })
})
