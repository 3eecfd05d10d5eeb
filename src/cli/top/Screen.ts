import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Stdio } from "effect/Stdio"
import { type CannotWrite, put } from "../Output.ts"

const control = "\u001b["
const take = `${control}?1049h${control}?25l`
const giveBack = `${control}?25h${control}?1049l`

/** A screen that is drawn over and over. */
export interface Screen {
  readonly draw: (rows: ReadonlyArray<string>) => Effect.Effect<void, CannotWrite, Stdio>
}

/** Takes the terminal's other screen, without a cursor; when the scope closes, all is as it was. */
export const openScreen: Effect.Effect<Screen, CannotWrite, Scope.Scope | Stdio> = Effect.as(
  Effect.acquireRelease(put(take), () => Effect.ignore(put(giveBack))),
  {
    // Written over row by row, and what was longer is cleared: nothing flickers.
    draw: (rows) => put(`${control}H${rows.map((row) => `${row}${control}K`).join("\r\n")}${control}J`)
  }
)
