/**
 * Takes the white space around a text away while the text comes, so that it ends up as it would have come whole: what may
 * be its end is held back until more follows.
 */
export const makeTrim = (): ((piece: string) => string) => {
  let begun = false
  let held = ""
  return (piece) => {
    const settled = piece.trimEnd()
    if (settled === "") {
      if (begun) held += piece
      return ""
    }
    const text = begun ? held + settled : settled.trimStart()
    begun = true
    held = piece.slice(settled.length)
    return text
  }
}
