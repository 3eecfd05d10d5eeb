import { PassThrough, Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { type Entered, LineEditor } from "../../../src/cli/chat/LineEditor.ts"
import { eventuallyLive } from "../../support/Eventually.ts"
import { forked } from "../../support/Forked.ts"

/** A terminal with nobody at it, and an editor that holds it. */
const setUp = Effect.fnUntraced(function* ({ bracketedPaste = false } = {}) {
  const modes: Array<boolean> = []
  const input = Object.assign(new PassThrough(), { setRawMode: (raw: boolean) => modes.push(raw) })
  let shown = ""
  const output = new Writable({
    write: (chunk, _, done) => {
      shown += String(chunk)
      done()
    }
  })
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const { open } = yield* Effect.provide(
    LineEditor,
    LineEditor.layer(() => ({ input, output }))
  )
  const read = yield* Scope.provide(open({ prompt: "> ", words: ["/exit", "/help"], bracketedPaste }), scope)
  return {
    read,
    type: (keys: string) => void input.write(keys),
    hangUp: () => void input.end(),
    isRaw: () => modes.at(-1) === true,
    isPaused: () => input.isPaused(),
    shown: () => shown,
    close: Scope.close(scope, Exit.void)
  }
})

const line = (text: string): Entered => ({ _tag: "Line", text })
const left = "\u001b[D"
const up = "\u001b[A"
const down = "\u001b[B"
const altEnter = "\u001b\r"
const pasted = (text: string) => `\u001b[200~${text}\u001b[201~`

describe("a line", () => {
  it.effect.each([
    { what: "as it is typed", keys: "hello\r", text: "hello" },
    { what: "in any script", keys: "Grüße, 你好 👋\r", text: "Grüße, 你好 👋" },
    { what: "changed at its end", keys: "helo\u007flo\r", text: "hello" },
    { what: "changed further left", keys: `hllo${left.repeat(3)}e\r`, text: "hello" },
    { what: "changed at its beginning", keys: "ello\u0001h\r", text: "hello" },
    { what: "rubbed out with Ctrl-C, and begun anew", keys: "nonsense\u0003hello\r", text: "hello" },
    { what: "with a line break of Alt-Enter", keys: `one${altEnter}two\r`, text: "one\ntwo" },
    { what: "that was pasted", keys: `${pasted("one\r\ntwo\rthree\n\tfour")}\r`, text: "one\ntwo\nthree\n\tfour" },
    { what: "pasted into what is typed", keys: `ac${left}${pasted("b\r")}\r`, text: "ab\nc" },
    { what: "pasted with keys in it", keys: `${pasted(`a\u0003\u0004${up}b\u2028c`)}\r`, text: "ab\nc" },
    { what: "with a command completed", keys: "/h\t\r", text: "/help" }
  ])("$what", ({ keys, text }) =>
    Effect.gen(function* () {
      const { read, type } = yield* setUp()
      type(keys)
      assert.deepStrictEqual(yield* read, line(text))
    })
  )

  it.effect("can be long without taking long", () =>
    Effect.gen(function* () {
      const { read, type } = yield* setUp()
      const text = "word ".repeat(40_000)
      type(`${pasted(text)}\r`)
      assert.deepStrictEqual(yield* read, line(text))
    })
  )

  it.effect("comes in as many pieces as it likes", () =>
    Effect.gen(function* () {
      const { read, type } = yield* setUp()
      const reading = yield* forked(read)
      for (const key of `${pasted("a\rb")}c\r`) type(key)
      assert.deepStrictEqual(yield* Fiber.join(reading), line("a\nbc"))
    })
  )
})

describe("several lines", () => {
  it.effect("at once are read one by one, and the next one is not lost while nobody reads", () =>
    Effect.gen(function* () {
      const { read, type } = yield* setUp()
      type("one\rtwo\rthr")
      assert.deepStrictEqual([yield* read, yield* read], [line("one"), line("two")])
      type("ee\r")
      assert.deepStrictEqual(yield* read, line("three"))
    })
  )

  it.effect("can be called back, those of several lines too", () =>
    Effect.gen(function* () {
      const { read, type } = yield* setUp()
      type(`one${altEnter}two\r`)
      yield* read
      type("three\r")
      yield* read
      type(`${up}${up}!\r`)
      assert.deepStrictEqual(yield* read, line("one\ntwo!"))
      type(`${up}${up}${up}${down}\r`)
      assert.deepStrictEqual(yield* read, line("three"))
    })
  )
})

describe("leaving the prompt", () => {
  it.effect("Ctrl-C on an empty line is an interrupt, and lines can be read after it", () =>
    Effect.gen(function* () {
      const { read, type } = yield* setUp()
      type("\u0003")
      assert.deepStrictEqual(yield* read, { _tag: "Interrupt" })
      type("on\r")
      assert.deepStrictEqual(yield* read, line("on"))
    })
  )

  it.effect("Ctrl-D on an empty line is the end, and stays it", () =>
    Effect.gen(function* () {
      const { read, type } = yield* setUp()
      type("ab\u0001\u0004\rx\u0015\u0004")
      assert.deepStrictEqual(yield* read, line("b"), "elsewhere it deletes")
      assert.deepStrictEqual([yield* read, yield* read], [{ _tag: "End" }, { _tag: "End" }])
    })
  )

  it.effect("so is a terminal that goes away, behind what was typed before", () =>
    Effect.gen(function* () {
      const { hangUp, read, type } = yield* setUp()
      type("one\rtwo")
      hangUp()
      assert.deepStrictEqual([yield* read, yield* read], [line("one"), { _tag: "End" }])
    })
  )
})

describe("the terminal", () => {
  it.effect("is in raw mode, and read from, only while a line is read", () =>
    Effect.gen(function* () {
      const { isPaused, isRaw, read, type } = yield* setUp()
      assert.deepStrictEqual([isRaw(), isPaused()], [false, true])
      const reading = yield* forked(read)
      assert.deepStrictEqual([isRaw(), isPaused()], [true, false])
      type("one\r")
      yield* Fiber.join(reading)
      assert.deepStrictEqual([isRaw(), isPaused()], [false, true])
      yield* Fiber.interrupt(yield* forked(read))
      assert.deepStrictEqual([isRaw(), isPaused()], [false, true])
    })
  )

  it.effect("shows the prompt and what is typed", () =>
    Effect.gen(function* () {
      const { read, shown, type } = yield* setUp()
      const reading = yield* forked(read)
      yield* eventuallyLive(() => shown().includes("> "))
      type("one\r")
      yield* Fiber.join(reading)
      assert.match(shown(), /one\r\n$/)
      assert.notInclude(shown(), "\u001b[?2004")
    })
  )

  it.effect("marks what is pasted only while a line is read, and where that is wanted", () =>
    Effect.gen(function* () {
      const { read, shown, type } = yield* setUp({ bracketedPaste: true })
      type("one\r")
      yield* read
      assert.isTrue(shown().startsWith("\u001b[?2004h"))
      assert.isTrue(shown().endsWith("one\r\n\u001b[?2004l"))
    })
  )

  it.effect("is given back when the editor is closed", () =>
    Effect.gen(function* () {
      const { close, isPaused, isRaw, read, shown } = yield* setUp()
      const reading = yield* forked(read)
      yield* Fiber.interrupt(reading)
      const before = shown()
      yield* close
      assert.deepStrictEqual([isRaw(), isPaused(), shown()], [false, true, before])
    })
  )
})
