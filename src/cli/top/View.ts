import { stripVTControlCharacters } from "node:util"
import { displayWidth } from "effect/cli/CliOutput"
import { type PanelStyle, panel } from "../Panel.ts"
import type { Section } from "./Report.ts"

/** The room that there is on the terminal. */
export interface Room {
  readonly columns: number
  readonly rows: number
}

const usual: Room = { columns: 80, rows: 24 }

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** As much of a line as fits; a line that is cut ends in an ellipsis, and loses its colours. */
export const fitted = (line: string, cells: number): string => {
  if (displayWidth(line) <= cells) return line
  let kept = ""
  let used = 0
  for (const { segment } of graphemes.segment(stripVTControlCharacters(line))) {
    const width = displayWidth(segment)
    if (used + width > cells - 1) break
    kept += segment
    used += width
  }
  return cells < 1 ? "" : `${kept}…`
}

/** Below this a border takes more than it gives. */
const narrow = 40

/**
 * The rows of a frame, which never are more than fit: in boxes where there is room, else plain, and what is still too
 * long loses its end.
 */
export const frame = (
  sections: ReadonlyArray<Section>,
  footer: string,
  room: Room,
  style: PanelStyle
): ReadonlyArray<string> => {
  const columns = room.columns || usual.columns
  const rows = (room.rows || usual.rows) - 1
  const boxed = columns >= narrow ? shortened(sections, rows, 2) : undefined
  const body =
    boxed === undefined
      ? (shortened(sections, rows, 1) ?? sections).flatMap(({ lines, title }) => [style.title(title), ...lines])
      : boxed.flatMap(({ lines, title }) => {
          const text = lines.map((line) => fitted(line, Math.min(100, columns) - 3)).join("\n")
          return panel(title, text, { ...style, columns }).split("\n")
        })
  return [...body.slice(0, Math.max(0, rows)).map((row) => fitted(row, columns)), fitted(footer, columns)]
}

/** The last section as long as there is room for; nothing if there is none for its first line. */
const shortened = (
  sections: ReadonlyArray<Section>,
  rows: number,
  around: number
): ReadonlyArray<Section> | undefined => {
  const last = sections.at(-1)
  if (last === undefined) return sections
  const rest = sections.slice(0, -1)
  const left = rows - rest.reduce((sum, { lines }) => sum + lines.length + around, 0) - around
  return left < 1 ? undefined : [...rest, { ...last, lines: last.lines.slice(0, left) }]
}
