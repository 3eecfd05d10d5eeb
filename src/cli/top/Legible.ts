import { printable } from "../Printable.ts"

/** The same, every text in it fit to stand in a line on a terminal, whoever wrote it. */
export const legible = <Json>(value: Json): Json =>
  JSON.parse(JSON.stringify(value), (_, part) => (typeof part === "string" ? inOneLine(part) : part))

const inOneLine = (text: string) => printable(text).replace(/\s+/g, " ")
