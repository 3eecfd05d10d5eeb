import * as Console from "effect/Console"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { Accent, inAccent } from "./Accent.ts"
import { failure } from "./CommandFailure.ts"
import { panel } from "./Panel.ts"
import { printable } from "./Printable.ts"

/** A result: what goes to stdout, and what it is called on a terminal. */
export interface Shown {
  readonly title: string
  readonly text: string
}

/** A result that can't be written, say to a full disk, is not done. */
const write = Effect.fnUntraced(function* (text: string) {
  const stdio = yield* Stdio.Stdio
  yield* Effect.mapError(Stream.run(Stream.succeed(`${text}\n`), stdio.stdout()), () =>
    failure("refused", "The result can't be written to standard output.")
  )
})

/** Prints a result on stdout: in a panel on a terminal, as it is in a pipe. */
export const show = Effect.fnUntraced(function* ({ text, title }: Shown) {
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stdoutIsTerminal)) return yield* write(text)
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const terminal = yield* Terminal.Terminal
  const accent = yield* Accent
  yield* write(
    panel(title, printable(text), {
      columns: yield* terminal.columns,
      title: (words) => (canColor ? inAccent(accent, words) : words)
    })
  )
})

/** Prints text for another program on stdout; only if it ends up on a terminal after all is it made printable. */
export const showPlain = Effect.fnUntraced(function* (text: string) {
  const stdio = yield* Stdio.Stdio
  yield* write((yield* stdio.stdoutIsTerminal) ? printable(text) : text)
})

/** Tells whoever is there, on stderr. */
export const tell = Effect.fnUntraced(function* (text: string) {
  const stdio = yield* Stdio.Stdio
  yield* Console.error((yield* stdio.stderrIsTerminal) ? printable(text) : text)
})
