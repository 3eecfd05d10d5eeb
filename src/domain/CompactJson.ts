/**
 * The compact form of a JSON text: the same tokens without the white space between them.
 *
 * It works on the text and not on the decoded value, so that long numbers keep their digits and a
 * text nested a million deep can't exhaust the stack. The input must be valid JSON.
 */
export const compactJson = (text: string): string => {
  let compact = ""
  let copiedTo = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (inString) {
      if (char === backslash) at++
      else if (char === quote) inString = false
    } else if (char === quote) {
      inString = true
    } else if (char === space || char === tab || char === lineFeed || char === carriageReturn) {
      compact += text.slice(copiedTo, at)
      copiedTo = at + 1
    }
  }
  return compact + text.slice(copiedTo)
}

const quote = 0x22
const backslash = 0x5c
const space = 0x20
const tab = 0x09
const lineFeed = 0x0a
const carriageReturn = 0x0d
