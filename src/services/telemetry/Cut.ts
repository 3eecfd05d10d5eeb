/**
 * As much of a text as may be told. What is cut is copied: to V8 a slice is a view of the whole text, which would be kept
 * for as long.
 */
export const cut = (text: string, longest: number): string =>
  text.length > longest ? Buffer.from(text.slice(0, longest)).toString() : text
