import { hash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { counted } from "../domain/Counted.ts"
import { isPriority, type Priority } from "../domain/Priority.ts"
import { isToken } from "./SettingKinds.ts"
import { SettingsError } from "./SettingsSource.ts"
import { lastGoodFile, rememberFile } from "./workers/LastGoodFile.ts"

/** How often the file is looked at: what a second's work of an operator may take to count. */
const interval = "1 second"

/** A file that can't let anybody in. */
export class TokenFileError extends Schema.TaggedError<TokenFileError>()("TokenFileError", {
  path: Schema.String,
  /** What is wrong, in a few words; nothing that stands in the file, which may be a token. */
  problem: Schema.String
}) {
  /** The same as a setting that stops the start. */
  asSettingsError(variable: string) {
    const expected = "a file that can be read and holds at least one token, each a line of printable characters"
    return new SettingsError({
      variable,
      value: this.path,
      expected: `${expected} without spaces, but ${this.problem}`
    })
  }
}

/** A token, and the most that its holder may ask for. */
export interface FileToken {
  readonly token: Redacted.Redacted
  readonly priority: Priority
}

/**
 * One token a line, with its priority behind it if that isn't `normal`; blank lines and lines that begin with `#` are
 * none. Fails with the first line that can't be one.
 */
export const parseTokens = (text: string): Result.Result<ReadonlyArray<FileToken>, string> => {
  const tokens: Array<FileToken> = []
  for (const [at, line] of text.split(/\r\n|\r|\n/).entries()) {
    const [token = "", priority = "normal", ...more] = line.trim().split(/[ \t]+/)
    if (token === "" || token.startsWith("#")) continue
    if (!isToken(token) || !isPriority(priority) || more.length > 0) return Result.fail(`line ${at + 1} is no token`)
    tokens.push({ token: Redacted.make(token), priority })
  }
  return tokens.length === 0 ? Result.fail("it holds no token") : Result.succeed(tokens)
}

/** The tokens of a text, and what tells it from another. */
const tokensIn = (path: string, text: string) =>
  Result.map(
    Result.mapError(parseTokens(text), (problem) => new TokenFileError({ path, problem })),
    (tokens) => ({ fingerprint: hash("sha256", text), tokens, text: Redacted.make(text) })
  )

/** Reads the tokens of a file once. */
export const readTokenFile = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  const refused = (problem: string) => new TokenFileError({ path, problem })
  const text = yield* Effect.mapError(files.readFileString(path), ({ reason }) =>
    refused(reason._tag === "NotFound" ? "there is no such file" : "it can't be read")
  )
  return yield* Effect.fromResult(tokensIn(path, text))
})

/**
 * Reads the tokens of a file, now and whenever it changes, for as long as the scope is open.
 *
 * A file that can't be read or holds no token is an error at the start. Later, the last good tokens stay: a file in the
 * middle of being replaced must neither lock everybody out nor let everybody in.
 */
export const watchTokenFile = Effect.fnUntraced(function* (path: string, variable: string) {
  const files = yield* FileSystem.FileSystem
  const load = Effect.provideService(readTokenFile(path), FileSystem.FileSystem, files)

  const first = yield* Effect.result(load)
  let broken = Result.isFailure(first)
  let current = Result.isSuccess(first) ? first.success : yield* asTheOthers(first.failure, variable)
  const remember = Effect.suspend(() => rememberFile("tokens", { text: Redacted.value(current.text), secrets: {} }))
  yield* remember

  // A file that is written to while it is read can come out cut: what is new must be there twice.
  const settled = Effect.gen(function* () {
    const now = yield* load
    if (now.fingerprint === current.fingerprint) return now
    const again = yield* load
    return again.fingerprint === now.fingerprint ? again : current
  })

  const reload = Effect.matchEffect(settled, {
    onFailure: ({ problem }) => {
      if (broken) return Effect.void
      broken = true
      return Effect.logWarning(`${variable} can't be used (${problem}): the last good tokens stay`)
    },
    onSuccess: (now) => {
      broken = false
      if (now.fingerprint === current.fingerprint) return Effect.void
      current = now
      return Effect.andThen(
        remember,
        Effect.logInfo(`${variable} was read again: ${counted(now.tokens.length, "token")}`)
      )
    }
  })
  // Reading it whole beats a watcher: it sees every way of replacing a file, mounted secrets included.
  yield* Effect.forkScoped(Effect.schedule(reload, Schedule.spaced(interval)))

  return () => current.tokens
})

/** The last good tokens, for a worker that takes the place of one that crashed; for everybody else an error. */
const asTheOthers = Effect.fnUntraced(function* (error: TokenFileError, variable: string) {
  const wrong = error.asSettingsError(variable)
  const good = yield* lastGoodFile("tokens")
  if (good === null) return yield* wrong
  yield* Effect.logWarning(`${variable} can't be used (${error.problem}): this worker begins with the last good tokens`)
  return yield* Effect.fromResult(Result.mapError(tokensIn(error.path, good.text), () => wrong))
})
