import { styleText } from "node:util"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"

/** The accent colours, and what a terminal calls them. */
const colours = { cyan: "cyan", violet: "magenta", green: "green", amber: "yellow", red: "red" } as const

export type AccentName = keyof typeof colours

const names: ReadonlyArray<AccentName> = ["cyan", "violet", "green", "amber", "red"]

/** `--accent`, before or after any subcommand. */
export const Accent = GlobalFlag.Setting("accent")({
  flag: Flag.Literals("accent", names).pipe(
    Flag.withDescription("The colour of titles on a terminal"),
    Flag.withDefault("cyan" as const)
  )
})

/** Colours a title. Whether colours are wanted is for the caller to know. */
export const inAccent = (accent: AccentName, text: string): string =>
  styleText(["bold", colours[accent]], text, { validateStream: false })
