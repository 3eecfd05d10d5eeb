/** The longest text of a span or of a line for the collector, in characters; a prompt that is told may be longer. */
const longestAttribute = 65_536

/**
 * As much of a text as may be told. What is cut is copied: to V8 a slice is a view of the whole text, which would be kept
 * for as long.
 */
export const cut = (text: string, longest = longestAttribute): string =>
  isLong(text, longest) ? Buffer.from(text.slice(0, longest)).toString() : text

/** Whether some of it would be cut. */
export const isLong = (text: string, longest = longestAttribute): boolean => text.length > longest
