import { displayWidth } from "effect/cli/CliOutput"

/** How a panel looks. */
export interface PanelStyle {
  /** Cells in a row of the terminal; 0 where it doesn't tell. */
  readonly columns: number
  readonly title: (text: string) => string
}

const narrowest = 20
const usual = 80
const widest = 100

/**
 * A box around text, for a terminal. There is no right border: characters of a width that we guess wrongly would break
 * it. The text must be printable.
 */
export const panel = (title: string, text: string, style: PanelStyle): string => {
  const width = Math.max(narrowest, Math.min(widest, style.columns || usual))
  const rule = (before: number) => "─".repeat(Math.max(1, width - before))
  return [
    `╭─ ${style.title(title)} ${rule(displayWidth(title) + 5)}`,
    ...text.split("\n").flatMap((line) => wrap(line, width - 3).map((part) => `│ ${part}`)),
    `╰${rule(2)}`
  ].join("\n")
}

/** Breaks a line between words; a word that is too long for a row stays whole and is left to the terminal. */
const wrap = (line: string, width: number): ReadonlyArray<string> => {
  if (displayWidth(line) <= width) return [line]
  const rows: Array<string> = []
  let row = ""
  for (const word of line.split(/(?<=\s)(?=\S)/)) {
    if (row !== "" && displayWidth((row + word).trimEnd()) > width) {
      rows.push(row.trimEnd())
      row = ""
    }
    row += word
  }
  return [...rows, row.trimEnd()]
}
