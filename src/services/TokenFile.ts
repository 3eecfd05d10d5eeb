import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { SettingsError } from "./SettingsSource.ts"

/** How often the file is looked at: what a second's work of an operator may take to count. */
const interval = "1 second"

/** One token a line; blank lines and lines that begin with `#` are none. */
export const parseTokens = (text: string): ReadonlyArray<Redacted.Redacted> =>
  text
    .split(/\r\n|\r|\n/)
    .map((line) => line.replace(/^\uFEFF/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((token) => Redacted.make(token))

/**
 * Reads the tokens of a file, now and whenever it changes, for as long as the scope is open.
 *
 * A file that can't be read or holds no token is an error at the start. Later, the last good tokens stay: a file in the
 * middle of being replaced must neither lock everybody out nor let everybody in.
 */
export const watchTokenFile = Effect.fnUntraced(function* (path: string, variable: string) {
  const files = yield* FileSystem.FileSystem
  const refused = () =>
    new SettingsError({ variable, value: path, expected: "a file that can be read and holds at least one token" })

  const load = Effect.flatMap(files.readFileString(path), (text) =>
    parseTokens(text).length === 0 ? Effect.fail(refused()) : Effect.succeed(text)
  )

  let text = yield* Effect.mapError(load, refused)
  let tokens = parseTokens(text)
  let broken = false

  const reload = Effect.matchEffect(load, {
    onFailure: () => {
      if (broken) return Effect.void
      broken = true
      return Effect.logWarning(`${variable} can't be read or holds no token: the last good tokens stay`)
    },
    onSuccess: (now) => {
      broken = false
      if (now === text) return Effect.void
      text = now
      tokens = parseTokens(now)
      return Effect.logInfo(`${variable} was read again: ${tokens.length} tokens`)
    }
  })
  // Reading it whole beats a watcher: it sees every way of replacing a file, mounted secrets included.
  yield* Effect.forkScoped(Effect.schedule(reload, Schedule.spaced(interval)))

  return Effect.sync(() => tokens)
})
