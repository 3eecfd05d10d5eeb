/**
 * Lets so many lines through each second and counts the rest; 0 lets all through. Given the monotonic time in
 * milliseconds, it says how many were left out since the last one that went through, or undefined to leave out this one.
 */
export const makeLineSampler = (perSecond: number) => {
  let second = Number.NaN
  let written = 0
  let leftOut = 0
  return (now: number): number | undefined => {
    if (perSecond === 0) return 0
    const current = Math.floor(now / 1000)
    if (current !== second) {
      second = current
      written = 0
    }
    if (written === perSecond) {
      leftOut += 1
      return undefined
    }
    written += 1
    const before = leftOut
    leftOut = 0
    return before
  }
}
