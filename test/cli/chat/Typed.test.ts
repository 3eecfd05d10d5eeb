import { assert, describe, it } from "@effect/vitest"
import { commandWords, help, readTyped, type Typed } from "../../../src/cli/chat/Typed.ts"

describe("what is typed", () => {
  it.each<{ readonly line: string; readonly typed: Typed }>([
    { line: "", typed: { _tag: "Nothing" } },
    { line: " \t", typed: { _tag: "Nothing" } },
    { line: " hello ", typed: { _tag: "Say", text: "hello" } },
    { line: "one\n two", typed: { _tag: "Say", text: "one\n two" } },
    { line: "/reset", typed: { _tag: "Command", name: "reset", rest: "" } },
    { line: "/RESET ", typed: { _tag: "Command", name: "reset", rest: "" } },
    { line: "/save  my file.json ", typed: { _tag: "Command", name: "save", rest: "my file.json" } },
    { line: "/system Be brief.\nBe kind.", typed: { _tag: "Command", name: "system", rest: "Be brief.\nBe kind." } },
    { line: "/quit", typed: { _tag: "Unknown", word: "/quit" } },
    { line: "/resett now", typed: { _tag: "Unknown", word: "/resett" } },
    { line: "/constructor", typed: { _tag: "Unknown", word: "/constructor" } },
    { line: " /reset", typed: { _tag: "Say", text: "/reset" } },
    { line: "/etc/hosts has what?", typed: { _tag: "Say", text: "/etc/hosts has what?" } },
    { line: "/* a comment */", typed: { _tag: "Say", text: "/* a comment */" } },
    { line: "/", typed: { _tag: "Say", text: "/" } },
    { line: "what does /reset do?", typed: { _tag: "Say", text: "what does /reset do?" } }
  ])("$line", ({ line, typed }) => {
    assert.deepStrictEqual(readTyped(line), typed)
  })

  it("is helped with: every command is told", () => {
    for (const word of commandWords) assert.include(help, `${word} `)
  })
})
