/** What somebody at a terminal wants with a line. */
export type Typed =
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "Say"; readonly text: string }
  /** A word that may stand behind a slash, and what follows it. */
  | { readonly _tag: "Command"; readonly name: CommandName; readonly rest: string }
  | { readonly _tag: "Unknown"; readonly word: string }

/** Every command: how it is typed, and what it does. */
export const commands = {
  help: { usage: "/help", does: "tells this" },
  system: { usage: "/system TEXT", does: 'what the model is told first; "" for nothing, and no TEXT to see it' },
  save: { usage: "/save FILE", does: "writes the conversation to a new file, as JSON" },
  reset: { usage: "/reset", does: "forgets what was said" },
  exit: { usage: "/exit", does: "leaves, as Ctrl-D does" }
} as const

/** A command, as it is typed without its slash. */
export type CommandName = keyof typeof commands

/** As they are typed. */
export const commandWords: ReadonlyArray<string> = Object.keys(commands).map((name) => `/${name}`)

const isCommand = (name: string): name is CommandName => Object.hasOwn(commands, name)

const command = /^\/([a-z]+)(?:\s+(.*))?$/is

/**
 * Reads a line. A word behind a slash is a command or a mistake, and never said; anything else is, so that paths and
 * comments can be talked about, and so is whatever a space stands before.
 */
export const readTyped = (line: string): Typed => {
  if (line.trim() === "") return { _tag: "Nothing" }
  const [, word, rest = ""] = command.exec(line.trimEnd()) ?? []
  if (word === undefined) return { _tag: "Say", text: line.trim() }
  const name = word.toLowerCase()
  return isCommand(name) ? { _tag: "Command", name, rest } : { _tag: "Unknown", word: `/${word}` }
}

const column = Math.max(...Object.values(commands).map(({ usage }) => usage.length)) + 2

/** What `/help` tells. */
export const help = [
  ...Object.values(commands).map(({ does, usage }) => `${usage.padEnd(column)}${does}`),
  "",
  "Everything else is said; so is a command behind a space. Alt-Enter begins a new line.",
  "Ctrl-C cuts an answer off, and leaves at an empty prompt."
].join("\n")
