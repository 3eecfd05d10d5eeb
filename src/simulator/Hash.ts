/**
 * A 32-bit number that depends on the whole text (FNV-1a): the same text gives the same number in every process, which
 * is what makes simulated answers repeatable.
 */
export const hashText = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/** The `index`-th draw of the sequence that `seed` names: at least 0, below 1. It has no state to share or to reset. */
export const draw = (seed: number, index: number): number => {
  let mixed = Math.imul(seed ^ Math.imul(index + 1, 0x9e3779b1), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x27d4eb2f)
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 0x100000000
}
