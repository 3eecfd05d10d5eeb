import { counted } from "../../domain/Counted.ts"
import { failedIn, type Tally } from "./Tally.ts"

/** A batch that is under way. */
export interface Progress {
  readonly tally: Tally
  /** All events of the input, where that is known. */
  readonly total: number | undefined
  /** Events that wait to ask the service again. */
  readonly waiting: number
  readonly elapsedMillis: number
  /** Cells in a row of the terminal; 0 where it doesn't tell. */
  readonly columns: number
}

const barCells = 20
const usualColumns = 80

/** How far it is, in one row: the bar, done of total, what failed, the rate, and how long it is likely to take. */
export const progressLine = ({ columns, elapsedMillis, tally, total, waiting }: Progress): string => {
  const reached = tally.done + tally.skipped
  const perSecond = elapsedMillis > 0 ? (tally.done / elapsedMillis) * 1000 : 0
  const parts = [
    total === undefined ? `${reached} done` : `${bar(reached, total)} ${reached}/${total}`,
    ...(failedIn(tally) === 0 ? [] : [`${failedIn(tally)} failed`]),
    `${rounded(perSecond)}/s`,
    ...(waiting === 0 ? [] : [`${waiting} waiting to try again`]),
    ...(total === undefined || perSecond === 0 ? [] : [`${durationText((total - reached) / perSecond)} left`])
  ]
  return parts.join("  ").slice(0, (columns || usualColumns) - 1)
}

/** What has come of it, in a line. */
export const summary = (tally: Tally, elapsedMillis: number): string => {
  const { done, failed, ok, skipped, skippedFailed, tokens } = tally
  const codes = [...failed].sort(([, one], [, other]) => other - one).map(([code, count]) => `${code} ${count}`)
  const failures = `${failedIn(tally)} failed${codes.length === 0 ? "" : ` (${codes.join(", ")})`}`
  const skips = `${skipped} skipped${skippedFailed === 0 ? "" : ` (${skippedFailed} had failed)`}`
  const took = durationText(elapsedMillis / 1000)
  return `${counted(done, "event")} in ${took}: ${ok} ok, ${failures}, ${skips}. Tokens: ${tokens.prompt} in, ${tokens.completion} out.`
}

const bar = (reached: number, total: number): string => {
  const cells = total === 0 ? barCells : Math.min(barCells, Math.floor((reached / total) * barCells))
  return "█".repeat(cells) + "░".repeat(barCells - cells)
}

const rounded = (value: number): string => (value < 10 ? value.toFixed(1) : String(Math.round(value)))

/** The two largest units of a time. */
export const durationText = (seconds: number): string => {
  if (seconds < 60) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
