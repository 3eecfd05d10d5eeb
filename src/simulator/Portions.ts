/** Tokens that leave the server together, in one event. */
export interface Portion {
  readonly tokens: ReadonlyArray<string>
  /** When the server comes to see them, counted from the beginning of the text. */
  readonly dueMillis: number
}

/** A stream looks for new tokens every 20 ms, and takes whatever has come since. */
const looksPerSecond = 50

/** A model without a pace has everything ready at the first look. That would make a dull stream. */
const tokensAtOnce = 4

/**
 * The events of a stream, planned from the pace alone, so that they are the same every time. There is at least one; the
 * last one is due when the text is at its end.
 *
 * Where one of `withheld` may have begun, the tokens wait until it is clear that it hasn't: a stop sequence that is to
 * be left out of the text must not have been sent already.
 */
export const planPortions = (
  tokens: ReadonlyArray<string>,
  tokensPerSecond: number,
  withheld: ReadonlyArray<string>
): ReadonlyArray<Portion> => {
  const paced = Number.isFinite(tokensPerSecond)
  const lookFor = (index: number) =>
    paced ? Math.ceil(((index + 1) * looksPerSecond) / tokensPerSecond) : Math.floor(index / tokensAtOnce)
  const longest = withheld.reduce((most, { length }) => Math.max(most, length), 0)
  const portions: Array<Portion> = []
  let start = 0
  let tail = ""
  for (const [index, token] of tokens.entries()) {
    const next = index + 1
    tail = (tail + token).slice(-Math.max(longest - 1, 1))
    if (next < tokens.length && (lookFor(next) === lookFor(index) || mayBegin(withheld, tail))) continue
    const dueMillis = paced ? (lookFor(index) * 1000) / looksPerSecond : 0
    portions.push({ tokens: tokens.slice(start, next), dueMillis })
    start = next
  }
  return portions.length === 0 ? [{ tokens: [], dueMillis: 0 }] : portions
}

/** Whether the text ends with the beginning of one of them. */
const mayBegin = (withheld: ReadonlyArray<string>, text: string): boolean => {
  for (let start = 0; start < text.length; start++) {
    const end = text.slice(start)
    if (withheld.some((sequence) => sequence.length > end.length && sequence.startsWith(end))) return true
  }
  return false
}
