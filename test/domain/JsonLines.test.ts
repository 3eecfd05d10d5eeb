import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isBlank, type Line, makeLineSplitter, readLine } from "../../src/domain/JsonLines.ts"

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = ({ bytes }: Line) => (bytes === undefined ? undefined : Buffer.from(bytes).toString())

/** The lines of a text that comes in pieces of so many bytes. */
const linesOf = (text: string, limitBytes: number, pieceBytes: number) => {
  const splitter = makeLineSplitter(limitBytes)
  const bytes = bytesOf(text)
  const lines: Array<Line> = []
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    lines.push(...splitter.push(bytes.subarray(at, at + pieceBytes)))
  }
  return [...lines, ...splitter.end()]
}

const Cut = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))
const Text = Schema.Array(Schema.Literals(["a", "\n", "é", "👋", "\r\n", "bcdefgh"])).check(Schema.isMaxLength(30))

describe("lines of a text that comes in pieces", () => {
  it.prop(
    "are those of the whole text, wherever it is cut; one over the limit leaves its place, and takes no others along",
    { parts: Text, piece: Cut, limit: Cut },
    ({ limit, parts, piece }) => {
      const text = parts.join("")
      const whole = text.split("\n")
      if (whole.at(-1) === "") whole.pop()
      const lines = linesOf(text, limit, piece)
      assert.deepStrictEqual(
        lines.map(textOf),
        whole.map((line) => (bytesOf(line).length > limit ? undefined : line))
      )
      const size = lines.reduce((sum, line) => sum + line.size, 0)
      assert.strictEqual(size, bytesOf(text).length)
    }
  )

  it.prop(
    "are kept but for those over the limit, whose bytes are counted as they come",
    { parts: Text, piece: Cut, limit: Cut },
    ({ limit, parts, piece }) => {
      const splitter = makeLineSplitter(limit)
      const bytes = bytesOf(parts.join(""))
      let come = 0
      let kept = 0
      for (let at = 0; at < bytes.length; at += piece) {
        const part = bytes.subarray(at, at + piece)
        come += part.length
        for (const line of splitter.push(part)) if (line.bytes !== undefined) kept += line.size
        assert.isAtMost(come - kept - splitter.passedOver(), limit)
      }
      for (const line of splitter.end()) if (line.bytes !== undefined) kept += line.size
      assert.strictEqual(kept + splitter.passedOver(), bytes.length)
    }
  )

  it("are blank with nothing but white space on them", () => {
    assert.deepStrictEqual(linesOf("\n \t\r\n{}\n\n ", 100, 100).map(isBlank), [true, true, false, true, true])
    assert.deepStrictEqual(linesOf("          \n", 5, 100).map(isBlank), [false])
  })

  it.prop("may have runs of blank ones as one, and then are the same but for those", { parts: Text }, ({ parts }) => {
    const text = parts.join("")
    const splitter = makeLineSplitter(100, { blankRuns: true })
    const lines = [...splitter.push(bytesOf(text)), ...splitter.end()]
    const all = linesOf(text, 100, 1000)
    assert.deepStrictEqual(
      lines.filter((line) => !isBlank(line)),
      all.filter((line) => !isBlank(line))
    )
    assert.isFalse(lines.some((line, at) => at > 0 && isBlank(line) && isBlank(lines[at - 1] ?? line)))
    assert.strictEqual(
      lines.reduce((sum, line) => sum + line.size, 0),
      bytesOf(text).length
    )
  })

  it("are few, however many blank ones come", () => {
    const splitter = makeLineSplitter(100, { blankRuns: true })
    assert.deepStrictEqual(
      splitter.push(bytesOf(" \r\n\n".repeat(1000))).map(({ size }) => size),
      [4000]
    )
  })
})

describe("a line", () => {
  const read = (bytes: Uint8Array | undefined) =>
    Result.match(readLine({ bytes, size: 0 }, 1000), {
      onSuccess: (value) => value,
      onFailure: (failure) => [failure.code, "details" in failure ? failure.details : failure.message]
    })

  it("says what its JSON says, with a byte order mark or a carriage return too", () => {
    assert.deepStrictEqual(read(bytesOf('{"content":"é"}\r')), { content: "é" })
    assert.deepStrictEqual(read(bytesOf("\ufeff[1]")), [1])
  })

  it("is refused when it is too long, not UTF-8 or not JSON", () => {
    assert.deepStrictEqual(read(undefined), ["payload_too_large", "The line is over the limit of 1000 bytes."])
    assert.deepStrictEqual(read(Uint8Array.of(0x22, 0xff, 0x22)), ["invalid_request", "the line is not UTF-8"])
    assert.deepStrictEqual(read(bytesOf("{")), ["invalid_request", "the line is not JSON"])
  })
})
