import { assert, describe, it } from "@effect/vitest"
import { displayWidth } from "effect/cli/CliOutput"
import { heading, panel } from "../../src/cli/Panel.ts"

const plain = (columns: number) => ({ columns, title: (text: string) => text })

/** What stands behind the border. */
const rowsOf = (shown: string) =>
  shown
    .split("\n")
    .slice(1, -1)
    .map((row) => row.slice("│ ".length))

describe("a panel", () => {
  it("has a title, a left border and no right one", () => {
    assert.strictEqual(
      panel("Title", "one\n\ntwo", plain(24)),
      ["╭─ Title ──────────────", "│ one", "│ ", "│ two", "╰──────────────────────"].join("\n")
    )
  })

  it("breaks lines between words, keeps indentation, and counts wide characters as two cells", () => {
    const rows = panel("T", "  alpha beta gamma delta epsilon\n한글 한글 한글 한글", plain(21)).split("\n").slice(1, -1)
    assert.deepStrictEqual(rows, ["│   alpha beta gamma", "│ delta epsilon", "│ 한글 한글 한글", "│ 한글"])
  })

  it("breaks a word that is too long for a row, such as a URL, where the row ends", () => {
    const url = `https://example.org/${"x".repeat(60)}`
    const rows = rowsOf(panel("T", `see ${url} now`, plain(40)))
    assert.deepStrictEqual(rows, ["see", url.slice(0, 37), url.slice(37, 74), `${url.slice(74)} now`])
    assert.deepStrictEqual(rowsOf(panel("T", `  ${"y".repeat(40)}`, plain(40))), [`  ${"y".repeat(35)}`, "yyyyy"])
  })

  it("breaks scripts without spaces anywhere, but not before what ends a phrase or behind what opens one", () => {
    const text = "今日はとても良い天気ですね。明日も「晴れ」だと、いいですね。"
    const rows = rowsOf(panel("T", text, plain(21)))
    assert.deepStrictEqual(rows, ["今日はとても良い天", "気ですね。明日も", "「晴れ」だと、いい", "ですね。"])
    assert.deepStrictEqual(rowsOf(panel("T", "ตั๋วที่เปิดอยู่สามใบ", plain(18))).join(""), "ตั๋วที่เปิดอยู่สามใบ")
  })

  it("breaks no character in two, of however many code points it is made", () => {
    const family = "👩‍👩‍👧"
    const rows = rowsOf(panel("T", family.repeat(12), plain(21)))
    assert.deepStrictEqual(rows, [family.repeat(9), family.repeat(3)])
  })

  it("sets tabs where they stand without the border", () => {
    assert.deepStrictEqual(rowsOf(panel("T", "\tx\n漢\tx\nabcdefgh\tx", plain(40))), [
      `${" ".repeat(8)}x`,
      `漢${" ".repeat(6)}x`,
      `abcdefgh${" ".repeat(8)}x`
    ])
  })

  it("is never wider than the terminal, whatever is in it", () => {
    const text = `Grüße, 你好世界 👋🏽👋🏽👋🏽\n\n\tif (x) {\n${" ".repeat(50)}x ${"ｗ".repeat(50)}   ${"a\u0301".repeat(70)}`
    for (let columns = 1; columns <= 120; columns++) {
      const shown = panel("Completion", text, plain(columns))
      if (columns < 16) assert.strictEqual(shown, text, "without room for the title there is no box")
      else for (const row of shown.split("\n")) assert.isBelow(displayWidth(row), columns, row)
      assert.strictEqual(shown.replaceAll(/[\s│]|^╭.*|╰.*$/g, ""), text.replaceAll(/\s/g, ""))
    }
  })

  it.each([
    [0, 80],
    [16, 16],
    [300, 100]
  ])("on a terminal of %i columns is %i cells wide", (columns, width) => {
    assert.strictEqual(panel("T", "x", plain(columns)).split("\n").at(-1)?.length, width - 1)
  })
})

describe("a heading", () => {
  it("is a rule of the terminal's width with the title in it, and ends its line", () => {
    assert.strictEqual(heading("Title", plain(24)), "── Title ───────────────\n")
    assert.strictEqual(displayWidth(heading("完成", plain(24)).trimEnd()), 24)
  })

  it("is no wider than is easily read, and as wide as usual where the terminal doesn't tell", () => {
    assert.strictEqual(displayWidth(heading("Title", plain(500)).trimEnd()), 100)
    assert.strictEqual(displayWidth(heading("Title", plain(0)).trimEnd()), 80)
  })

  it("has its title styled, without the style counting as width", () => {
    const style = { columns: 24, title: (text: string) => `\u001b[1m${text}\u001b[22m` }
    assert.strictEqual(heading("Title", style), "── \u001b[1mTitle\u001b[22m ───────────────\n")
  })

  it("is left out where its title has no room", () => {
    assert.strictEqual(heading("Title", plain(10)), "── Title ─\n")
    assert.strictEqual(heading("Title", plain(9)), "")
  })
})
