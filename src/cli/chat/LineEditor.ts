import { createInterface, emitKeypressEvents, type Key } from "node:readline"
import { PassThrough, type Readable, type Writable } from "node:stream"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/** What somebody did at the prompt. */
export type Entered =
  | { readonly _tag: "Line"; readonly text: string }
  /** Ctrl-C on an empty line. */
  | { readonly _tag: "Interrupt" }
  /** Ctrl-D on an empty line, or there is no terminal any more. */
  | { readonly _tag: "End" }

/** How a line is asked for. */
export interface EditorOptions {
  readonly prompt: string
  /** What the tabulator completes. */
  readonly words: ReadonlyArray<string>
  /** Whether the terminal can be asked to tell what is pasted from what is typed. */
  readonly bracketedPaste: boolean
}

/** The two ends of a terminal. */
export interface TerminalEnds {
  readonly input: Readable & { readonly setRawMode?: (raw: boolean) => unknown }
  readonly output: Writable
}

/** A line at a time from somebody at a terminal, who can edit it, and call back what was entered before. */
export class LineEditor extends Context.Service<
  LineEditor,
  {
    /**
     * Takes hold of the terminal. It is in raw mode only while a line is read: in between, Ctrl-C is a signal, and what
     * is typed waits for the next prompt.
     */
    readonly open: (options: EditorOptions) => Effect.Effect<Effect.Effect<Entered>, never, Scope.Scope>
  }
>()("ai-ticket/cli/LineEditor") {
  /** The ends are asked for when the editor is opened. */
  static readonly layer = (ends: () => TerminalEnds): Layer.Layer<LineEditor> =>
    Layer.succeed(LineEditor)({
      open: (options) =>
        Effect.map(
          Effect.acquireRelease(
            Effect.sync(() => makeEditor(ends(), options)),
            ({ close }) => Effect.sync(close)
          ),
          ({ read }) => read
        )
    })
}

/** Stands for a line break inside a line, which Node's editor doesn't know. */
const breakMark = "↵"
const lineBreak = /\r\n?|[\n\u2028\u2029]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const control = /[\u0000-\u0008\u000b-\u001f\u007f]/g
const inOneLine = (text: string) => text.replace(lineBreak, breakMark).replace(control, "")

const pasteOn = "\u001b[?2004h"
const pasteOff = "\u001b[?2004l"
const mostRemembered = 1000

/** Node's line editor, which is handed its keys one by one: those behind the end of a line are for the next one. */
const makeEditor = ({ input, output }: TerminalEnds, { bracketedPaste, prompt, words }: EditorOptions) => {
  const presses: Array<readonly [text: string | undefined, key: Key]> = []
  let reader: ((entered: Entered) => void) | undefined
  let pasted: string | undefined
  let over = false

  // Ctrl-Z gives the terminal back while the program is stopped, and takes it again.
  const setRawMode = (raw: boolean) => input.setRawMode?.(raw && reader !== undefined)
  const editor = createInterface({
    input: Object.assign(new PassThrough(), { setRawMode }),
    output,
    prompt,
    terminal: true,
    historySize: mostRemembered,
    removeHistoryDuplicates: true,
    completer: (line: string) => [words.filter((word) => word.startsWith(line)), line]
  })

  const take = () => {
    setRawMode(true)
    if (bracketedPaste) output.write(pasteOn)
  }
  const rest = () => {
    reader = undefined
    input.pause()
    setRawMode(false)
    if (bracketedPaste) output.write(pasteOff)
  }
  const leaveLine = () => output.write("\n")
  const settle = (entered: Entered) => {
    const told = reader
    if (told === undefined) return
    if (entered._tag !== "Line") leaveLine()
    rest()
    told(entered)
  }

  const press = (text: string | undefined, key: Key) => {
    if (key.name === "paste-start") pasted = ""
    else if (key.name === "paste-end") {
      // Whole, since the editor measures its line anew at each key.
      editor.write(inOneLine(pasted ?? ""))
      pasted = undefined
    } else if (pasted !== undefined) pasted += text ?? ""
    else if (key.name === "return" && key.meta) editor.write(breakMark)
    else editor.write(text, key)
  }
  const drain = () => {
    while (reader !== undefined) {
      const next = presses.shift()
      if (next === undefined) return over ? settle({ _tag: "End" }) : undefined
      press(...next)
    }
  }

  editor
    .on("line", (line) => settle({ _tag: "Line", text: line.replaceAll(breakMark, "\n") }))
    .on("SIGINT", () => {
      if (editor.line === "") return settle({ _tag: "Interrupt" })
      editor.write(null, { ctrl: true, name: "e" })
      editor.write(null, { ctrl: true, name: "u" })
    })
    .on("SIGCONT", () => {
      take()
      editor.prompt(true)
    })
    .on("close", () => {
      over = true
      settle({ _tag: "End" })
    })

  const onKey = (text: string | undefined, key: Key) => {
    presses.push([text, key])
    drain()
  }
  const onEnd = () => {
    over = true
    drain()
  }
  input.pause()
  emitKeypressEvents(input)
  input.on("keypress", onKey).on("end", onEnd).on("error", onEnd)

  return {
    read: Effect.callback<Entered>((resume) => {
      reader = (entered) => resume(Effect.succeed(entered))
      take()
      if (!over) editor.prompt()
      input.resume()
      drain()
      return Effect.sync(() => {
        if (reader === undefined) return
        leaveLine()
        rest()
      })
    }),
    close: () => {
      input.off("keypress", onKey).off("end", onEnd)
      editor.close()
    }
  }
}
