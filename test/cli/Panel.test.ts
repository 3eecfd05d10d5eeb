import { assert, describe, it } from "@effect/vitest"
import { panel } from "../../src/cli/Panel.ts"

const plain = (columns: number) => ({ columns, title: (text: string) => text })

describe("a panel", () => {
  it("has a title, a left border and no right one", () => {
    assert.strictEqual(
      panel("Title", "one\n\ntwo", plain(24)),
      ["╭─ Title ──────────────", "│ one", "│ ", "│ two", "╰──────────────────────"].join("\n")
    )
  })

  it("breaks lines between words, keeps indentation, and counts wide characters as two cells", () => {
    const rows = panel("T", "  alpha beta gamma delta epsilon\n漢字 漢字 漢字 漢字", plain(21)).split("\n").slice(1, -1)
    assert.deepStrictEqual(rows, ["│   alpha beta gamma", "│ delta epsilon", "│ 漢字 漢字 漢字", "│ 漢字"])
  })

  it("leaves a word that is too long whole", () => {
    const word = "x".repeat(90)
    assert.include(panel("T", `a ${word} b`, plain(40)), `│ ${word}\n│ b`)
  })

  it.each([
    [0, 80],
    [5, 20],
    [300, 100]
  ])("on a terminal of %i columns is %i cells wide", (columns, width) => {
    assert.strictEqual(panel("T", "x", plain(columns)).split("\n").at(-1)?.length, width - 1)
  })
})
