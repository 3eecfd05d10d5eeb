/** A worker that has lived so long was sound: its end says nothing of the next one. */
export const steadyMillis = 10_000

const firstMillis = 100
const longestMillis = 30_000

/** How long the next worker waits after so many in a row that came to nothing: not at all, then twice as long each time. */
export const restartDelay = (failures: number): number =>
  failures === 0 ? 0 : Math.min(longestMillis, firstMillis * 2 ** (failures - 1))
