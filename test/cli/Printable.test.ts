import { assert, describe, it } from "@effect/vitest"
import { printable } from "../../src/cli/Printable.ts"

describe("text for a terminal", () => {
  it("keeps what is to be read: letters of every script, emoji, new lines, tabs", () => {
    const text = "Grüße, 你好, שלום, 👩‍👩‍👧 — fine.\n\tindented\n"
    assert.strictEqual(printable(text), text)
  })

  it.each([
    ["a colour", "\u001b[31mred\u001b[0m", "red"],
    ["a cursor that climbs and a line wiped out", "safe\u001b[2A\u001b[2Kforged", "safeforged"],
    ["a title for the window", "\u001b]0;owned\u0007text", "text"],
    ["a link that hides its target", "\u001b]8;;http://evil.example\u001b\\click\u001b]8;;\u001b\\", "click"],
    ["the clipboard", "\u001b]52;c;ZXZpbA==\u0007text", "text"],
    ["the one-byte introducer of sequences", "\u009b31mred", "red"],
    ["a carriage return over what was written", "honest\rforged", "honestforged"],
    ["bell, backspace, form feed, delete, null", "a\u0007\b\f\u007f\u0000b", "ab"],
    ["a turn of the writing's direction", "exe.\u202etxt", "exe.txt"],
    ["half an escape sequence", "end\u001b[", "end["],
    ["line ends of Windows", "one\r\ntwo", "one\ntwo"]
  ])("takes out %s", (_, hostile, plain) => {
    assert.strictEqual(printable(hostile), plain)
  })

  it("leaves no control character, whatever comes", () => {
    const every = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)).join("")
    assert.match(printable(every + every), /^[\t\n\u0020-\u007e\u00a0-\u017f]*$/)
  })
})
