import { displayWidth } from "effect/cli/CliOutput"

/** Cells in a row: characters, where they are plain ones, which are most of a long text and quickly counted. */
const cellsIn = (text: string): number => (/^[ -~]*$/.test(text) ? text.length : displayWidth(text))

/** How a panel looks. */
export interface PanelStyle {
  /** Cells in a row of the terminal; 0 where it doesn't tell. */
  readonly columns: number
  readonly title: (text: string) => string
}

const usual = 80
const widest = 100
const widthOf = ({ columns }: PanelStyle): number => Math.min(widest, columns || usual)

/** A line above a text that comes bit by bit, with its line break; nothing on a terminal without room for it. */
export const heading = (title: string, style: PanelStyle): string => {
  const rule = widthOf(style) - cellsIn(title) - 4
  return rule > 0 ? `── ${style.title(title)} ${"─".repeat(rule)}\n` : ""
}

/**
 * A box around text, for a terminal; a terminal without room for its title gets the text alone. There is no right
 * border: characters of a width that we guess wrongly would break it. The text must be printable.
 */
export const panel = (title: string, text: string, style: PanelStyle): string => {
  const width = widthOf(style)
  const rule = (before: number) => "─".repeat(width - before)
  const besideTitle = cellsIn(title) + 5
  if (width <= besideTitle) return text
  return [
    `╭─ ${style.title(title)} ${rule(besideTitle)}`,
    ...text.split("\n").flatMap((line) => wrap(withoutTabs(line), width - 3).map((row) => `│ ${row}`)),
    `╰${rule(2)}`
  ].join("\n")
}

/** Between words, and between the letters of scripts that have no spaces: not before 。 and not behind 「. */
const breaks = /(?<=\s)(?=\S)|(?<=[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\uff01-\uff1f])(?<!\p{Ps})(?=[\p{L}\p{N}\p{Ps}])/u

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** Breaks a line where it may be broken; a word that is too long for a row is broken where the row ends. */
const wrap = (line: string, width: number): ReadonlyArray<string> => {
  const rows: Array<string> = []
  let row = ""
  let used = 0
  const add = (part: string, cells = cellsIn(part)) => {
    row += part
    used += cells
  }
  const feed = () => {
    rows.push(row.trimEnd())
    row = ""
    used = 0
  }
  for (const word of line.split(breaks)) {
    // White space that ends a row needs no room in it.
    const cells = cellsIn(word.trimEnd())
    if (used + cells > width && row.trim() !== "") feed()
    if (used + cells <= width) add(word)
    else {
      for (const { segment } of graphemes.segment(word)) {
        const wide = cellsIn(segment)
        if (used + wide > width && segment.trim() !== "") feed()
        add(segment, wide)
      }
    }
  }
  return [...rows, row.trimEnd()]
}

const tabStop = 8

/** The border moves the text, but not the terminal's tab stops. */
const withoutTabs = (line: string): string => {
  const parts = line.split("\t")
  const last = parts.pop() ?? ""
  return parts.map((part) => part + " ".repeat(tabStop - (cellsIn(part) % tabStop))).join("") + last
}
