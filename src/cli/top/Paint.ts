import { styleText } from "node:util"
import type { Paint } from "./Report.ts"

const colours = { ok: "green", warning: "yellow", critical: "red" } as const

/** Tells states in colours, if colours are wanted. */
export const paintWith =
  (canColor: boolean): Paint =>
  (state, text) =>
    canColor ? styleText(colours[state], text, { validateStream: false }) : text
