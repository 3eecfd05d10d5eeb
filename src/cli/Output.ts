import * as Console from "effect/Console"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { Accent, inAccent } from "./Accent.ts"
import { failure } from "./CommandFailure.ts"
import { heading, panel } from "./Panel.ts"
import { printable } from "./Printable.ts"
import { makeTrim } from "./Trimmed.ts"

/** A result: what goes to stdout, and what it is called on a terminal. */
export interface Shown {
  readonly title: string
  readonly text: string
}

/** Standard output takes no more: its reader left, or its disk is full. */
export class CannotWrite extends Data.TaggedError("CannotWrite") {}

/** A result that can't be written is not done. */
export const cannotWrite = () => failure("refused", "The result can't be written to standard output.")

/** Writes on stdout as it is. */
export const put = Effect.fnUntraced(function* (text: string) {
  const stdio = yield* Stdio.Stdio
  yield* Effect.mapError(Stream.run(Stream.succeed(text), stdio.stdout()), () => new CannotWrite())
})

const write = (text: string) => Effect.mapError(put(text), cannotWrite)

/** How titles look on this terminal. */
export const style = Effect.gen(function* () {
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const terminal = yield* Terminal.Terminal
  const accent = yield* Accent
  return {
    columns: yield* terminal.columns,
    title: (words: string) => (canColor ? inAccent(accent, words) : words)
  }
})

/** Prints a result on stdout: in a panel on a terminal, as it is in a pipe. */
export const show = Effect.fnUntraced(function* ({ text, title }: Shown) {
  const stdio = yield* Stdio.Stdio
  if (!(yield* stdio.stdoutIsTerminal)) return yield* write(`${text}\n`)
  yield* write(`${panel(title, printable(text), yield* style)}\n`)
})

/**
 * Prints a text on stdout as it comes, without the white space around it: below its title on a terminal, if it has one.
 * It ends with a line break, and so does the part that has come when the rest doesn't.
 * It fails as `CannotWrite` by itself, so that it can be told from a failure of the pieces.
 */
export const showAsItComes = Effect.fnUntraced(function* <E, R>(pieces: Stream.Stream<string, E, R>, title?: string) {
  const stdio = yield* Stdio.Stdio
  const terminal = yield* stdio.stdoutIsTerminal
  const above = terminal && title !== undefined ? heading(title, yield* style) : ""
  const trim = makeTrim()
  let begun = false
  const putPiece = (piece: string) =>
    Effect.suspend(() => {
      const text = trim(piece)
      if (text === "") return Effect.void
      const before = begun ? "" : above
      begun = true
      return put(before + (terminal ? printable(text) : text))
    })
  const endLine = Effect.suspend(() => (begun ? Effect.ignore(put("\n")) : Effect.void))
  yield* Effect.onError(Stream.runForEach(pieces, putPiece), () => endLine)
  yield* put("\n")
})

/** Prints text for another program on stdout; only if it ends up on a terminal after all is it made printable. */
export const showPlain = Effect.fnUntraced(function* (text: string) {
  const stdio = yield* Stdio.Stdio
  yield* write(`${(yield* stdio.stdoutIsTerminal) ? printable(text) : text}\n`)
})

/** Tells whoever is there, on stderr. */
export const tell = Effect.fnUntraced(function* (text: string) {
  const stdio = yield* Stdio.Stdio
  yield* Console.error((yield* stdio.stderrIsTerminal) ? printable(text) : text)
})
