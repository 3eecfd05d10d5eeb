import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { Auth } from "../../src/services/Auth.ts"
import { Settings } from "../../src/services/Settings.ts"
import { parseTokens } from "../../src/services/TokenFile.ts"
import { capturedLog } from "../support/CapturedLog.ts"
import { eventuallyLive } from "../support/Eventually.ts"

const fileIn = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const directory = yield* files.makeTempDirectoryScoped()
  const path = `${directory}/tokens`
  return { files, path, write: (text: string) => files.writeFileString(path, text) }
}).pipe(Effect.provide(NodeFileSystem.layer))

const authFrom = (
  path: string,
  settings: Record<string, string> = {},
  files: Layer.Layer<FileSystem.FileSystem> = NodeFileSystem.layer
) =>
  Effect.map(
    Layer.build(
      Auth.layer.pipe(
        Layer.provide(Settings.layerRecord({ AI_TICKET_AUTH_TOKEN_FILE: path, ...settings })),
        Layer.provide(files)
      )
    ),
    (context) => {
      const auth = Context.get(context, Auth)
      return (token: string) =>
        Effect.sync(() => Result.isSuccess(auth.check({ authorization: `Bearer ${token}`, apiKey: undefined })))
    }
  )

/** A service that reads the file, and its log. */
const running = Effect.fnUntraced(function* (text: string) {
  const file = yield* fileIn
  yield* file.write(text)
  const log = capturedLog()
  let reads = 0
  const counted = (files: FileSystem.FileSystem): FileSystem.FileSystem => ({
    ...files,
    readFileString: (...asked) =>
      Effect.suspend(() => {
        reads += 1
        return files.readFileString(...asked)
      })
  })
  const files = Layer.effect(FileSystem.FileSystem, Effect.map(FileSystem.FileSystem, counted))
  const knows = yield* authFrom(file.path, {}, files.pipe(Layer.provide(NodeFileSystem.layer))).pipe(log.captured)
  /** Lets seconds pass until the file has been read and judged so many times more. */
  const looks = (times: number) =>
    Effect.gen(function* () {
      // The last one to begin says that those before it have ended.
      const until = reads + times + 1
      while (reads < until) yield* TestClock.adjust("1 second")
    })
  const logged = (level: string) => log.entries().filter((entry) => entry["level"] === level).length
  return { ...file, knows, logged, looks, log }
})

describe("parseTokens", () => {
  it("takes a token a line; comments, blank lines and white space around are none", () => {
    const read = (text: string) => Result.getOrThrow(parseTokens(text)).map(({ token }) => Redacted.value(token))
    assert.deepStrictEqual(read("a\nb\n"), ["a", "b"])
    assert.deepStrictEqual(read("\uFEFFa\r\n# comment\r\n\r\n \t\r\n  b  \r\n  # c"), ["a", "b"])
    assert.deepStrictEqual(read("a#1\rb"), ["a#1", "b"])
    assert.deepStrictEqual(parseTokens("\uFEFF# only a comment"), Result.fail("it holds no token"))
  })

  it("takes a priority behind a token, normal where there is none, and no other word", () => {
    const read = (text: string) => Result.getOrThrow(parseTokens(text)).map(({ priority }) => priority)
    assert.deepStrictEqual(read("a high\nb\tlow\nc  normal\nd"), ["high", "low", "normal", "normal"])
    for (const line of ["b urgent", "b high low", "b HIGH", "b # comment", "b toString"]) {
      assert.deepStrictEqual(parseTokens(`a\n${line}`), Result.fail("line 2 is no token"), line)
    }
  })

  it("shows no token when it is printed", () => {
    assert.notInclude(`${parseTokens("s3cret")} ${JSON.stringify(parseTokens("s3cret"))}`, "s3cret")
  })
})

describe("a token file", () => {
  it.effect("lets in its tokens, beside those of the setting", () =>
    Effect.gen(function* () {
      const { path, write } = yield* fileIn
      yield* write("\uFEFFfrom-file\r\n# off: old\r\n")
      const knows = yield* authFrom(path, { AI_TICKET_AUTH_TOKEN: "from-setting" })
      assert.isTrue(yield* knows("from-file"))
      assert.isTrue(yield* knows("from-setting"))
      assert.isFalse(yield* knows("old"))
    })
  )

  it.effect("that is missing, empty or a folder stops the start, with the variable's name", () =>
    Effect.gen(function* () {
      const { files, path, write } = yield* fileIn
      const refused = Effect.flip(authFrom(path, { AI_TICKET_AUTH_TOKEN: "from-setting" }))
      const expected = `AI_TICKET_AUTH_TOKEN_FILE is ${JSON.stringify(path)}: expected a file that can be read and holds at least one token, each a line of printable characters without spaces`
      assert.strictEqual((yield* refused).message, `${expected}, but there is no such file.`)
      for (const text of ["", "\n\n", "# s3cret\n"]) {
        yield* write(text)
        assert.strictEqual((yield* refused).message, `${expected}, but it holds no token.`)
      }
      yield* files.remove(path)
      yield* files.makeDirectory(path)
      assert.strictEqual((yield* refused).message, `${expected}, but it can't be read.`)
    })
  )

  it.effect("with a token that no header can carry stops the start, without showing it", () =>
    Effect.gen(function* () {
      const { path, write } = yield* fileIn
      for (const token of ["s3cret with spaces", "s3cret\tx", "s3cret-größe", "s3cret\u00a0x", "s3cret\u0007"]) {
        yield* write(`good\n${token}\n`)
        const { message } = yield* Effect.flip(authFrom(path))
        assert.match(message, /^AI_TICKET_AUTH_TOKEN_FILE is .+: expected .+ without spaces, but line 2 is no token\.$/)
        assert.notInclude(message, "s3cret")
      }
    })
  )

  it.effect("that gets a token that no header can carry leaves the last good ones, and warns", () =>
    Effect.gen(function* () {
      const { knows, log, logged, looks, write } = yield* running("old")
      for (const [at, token] of ["s3cret with spaces", "s3cret-größe"].entries()) {
        yield* write(`new\n${token}`)
        yield* looks(3)
        assert.deepStrictEqual([yield* knows("old"), yield* knows("new"), logged("WARNING")], [true, false, at + 1])
        yield* write("old")
        yield* looks(2)
      }
      assert.notMatch(log.lines.join("\n"), /s3cret/)
      assert.include(
        log.lines[0],
        "AI_TICKET_AUTH_TOKEN_FILE can't be used (line 2 is no token): the last good tokens stay"
      )
    })
  )

  it.effect("that is read while it is written never counts as far as it had come", () =>
    Effect.gen(function* () {
      // What each look at the file finds; the second one finds it cut.
      const contents = ["old", "new", "new\nmore", "new\nmore", "new\nmore"]
      const files = FileSystem.layerNoop({
        readFileString: () => Effect.sync(() => (contents.length > 1 ? contents.shift() : contents[0]) ?? "")
      })
      const knows = yield* authFrom("/tokens", {}, files)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* knows("old"), yield* knows("new")], [true, false])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* knows("old"), yield* knows("new"), yield* knows("more")], [false, true, true])
    })
  )

  it.effect("is read again within a second after it changed", () =>
    Effect.gen(function* () {
      const { knows, log, logged, write } = yield* running("old")
      yield* write("new\nmore")
      assert.deepStrictEqual([yield* knows("old"), yield* knows("new")], [true, false])
      yield* TestClock.adjust("1 second")
      yield* eventuallyLive(() => logged("INFO") === 1)
      assert.include(log.lines[0], "AI_TICKET_AUTH_TOKEN_FILE was read again: 2 tokens")
      assert.deepStrictEqual([yield* knows("old"), yield* knows("new"), yield* knows("more")], [false, true, true])
    })
  )

  it.effect("says nothing while it stays the same", () =>
    Effect.gen(function* () {
      const { log, looks } = yield* running("old")
      yield* looks(3)
      assert.deepStrictEqual(log.lines, [])
    })
  )

  it.effect("may be replaced by another file of its name", () =>
    Effect.gen(function* () {
      const { files, knows, looks, path } = yield* running("old")
      yield* files.writeFileString(`${path}.new`, "new")
      yield* files.rename(`${path}.new`, path)
      yield* looks(2)
      assert.deepStrictEqual([yield* knows("old"), yield* knows("new")], [false, true])
    })
  )

  it.effect("that vanishes or is emptied leaves the last good tokens, warns once, and may come back", () =>
    Effect.gen(function* () {
      const { files, knows, log, logged, looks, path, write } = yield* running("old")
      yield* files.remove(path)
      yield* looks(3)
      yield* write("# nothing yet")
      yield* looks(3)
      assert.isTrue(yield* knows("old"))
      assert.deepStrictEqual([logged("WARNING"), logged("INFO")], [1, 0])
      assert.match(log.lines[0] ?? "", /AI_TICKET_AUTH_TOKEN_FILE/)
      yield* write("new")
      yield* looks(2)
      assert.deepStrictEqual([yield* knows("old"), yield* knows("new")], [false, true])
      assert.include(log.lines.at(-1), 'AI_TICKET_AUTH_TOKEN_FILE was read again: 1 token"')
      yield* files.remove(path)
      yield* looks(3)
      assert.isTrue(yield* knows("new"))
      assert.strictEqual(logged("WARNING"), 2)
    })
  )

  it.effect("never shows a token in the log", () =>
    Effect.gen(function* () {
      const { files, knows, log, looks, path, write } = yield* running("s3cret-1")
      yield* write("s3cret-2")
      yield* looks(2)
      yield* files.remove(path)
      yield* looks(2)
      yield* knows("s3cret-3")
      assert.isAtLeast(log.lines.length, 2)
      assert.notMatch(log.lines.join("\n"), /s3cret/)
    })
  )
})
