import { hash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { counted } from "../domain/Counted.ts"
import { isToken } from "./SettingKinds.ts"
import { SettingsError } from "./SettingsSource.ts"

/** How often the file is looked at: what a second's work of an operator may take to count. */
const interval = "1 second"

/** One token a line; blank lines and lines that begin with `#` are none. */
export const parseTokens = (text: string): ReadonlyArray<Redacted.Redacted> =>
  text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
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
    new SettingsError({ variable, value: path, expected: `a file that can be read and holds ${held}` })

  const load = files.readFileString(path).pipe(
    Effect.map((text) => ({ fingerprint: hash("sha256", text), tokens: parseTokens(text) })),
    Effect.filterOrFail(
      ({ tokens }) => tokens.length > 0 && tokens.every((token) => isToken(Redacted.value(token))),
      refused
    )
  )

  let current = yield* Effect.mapError(load, refused)
  let broken = false

  // A file that is written to while it is read can come out cut: what is new must be there twice.
  const settled = Effect.gen(function* () {
    const now = yield* load
    if (now.fingerprint === current.fingerprint) return now
    const again = yield* load
    return again.fingerprint === now.fingerprint ? again : current
  })

  const reload = Effect.matchEffect(settled, {
    onFailure: () => {
      if (broken) return Effect.void
      broken = true
      return Effect.logWarning(`${variable} can't be read or doesn't hold ${held}: the last good tokens stay`)
    },
    onSuccess: (now) => {
      broken = false
      if (now.fingerprint === current.fingerprint) return Effect.void
      current = now
      return Effect.logInfo(`${variable} was read again: ${counted(now.tokens.length, "token")}`)
    }
  })
  // Reading it whole beats a watcher: it sees every way of replacing a file, mounted secrets included.
  yield* Effect.forkScoped(Effect.schedule(reload, Schedule.spaced(interval)))

  return Effect.sync(() => current.tokens)
})

const held = "at least one token, each a line of printable characters without spaces"
