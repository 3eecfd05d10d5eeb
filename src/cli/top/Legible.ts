import { printable } from "../Printable.ts"

/** More than any text in a summary is long, and few enough that as many lines as there may be can be made as wide. */
const longestText = 200

/** The same, every text in it fit to stand in a line on a terminal, whoever wrote it. */
export const legible = <Json>(value: Json): Json =>
  JSON.parse(JSON.stringify(value), (_, part) => (typeof part === "string" ? inOneLine(part) : part))

const inOneLine = (text: string) => printable(text).replace(/\s+/g, " ").slice(0, longestText)
