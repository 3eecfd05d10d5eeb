import { stripVTControlCharacters } from "node:util"

/** Everything that moves a cursor, rings a bell or turns the direction of writing; new lines and tabs stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const driving = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/**
 * Text that a model or a server wrote, fit for a terminal: without escape sequences and control characters, so that it
 * can neither drive the terminal nor pass for something that `ai-ticket` said.
 */
export const printable = (text: string): string =>
  stripVTControlCharacters(text.replaceAll("\r\n", "\n")).replace(driving, "")
