import { assert, describe, it } from "@effect/vitest"
import { makeNames } from "../../../src/cli/batch/EventNames.ts"
import type { Line } from "../../../src/domain/JsonLines.ts"

const line = (text: string): Line => ({ bytes: Buffer.from(text), size: text.length + 1 })
const tooLong: Line = { bytes: undefined, size: 1e9 }

describe("the name of an event", () => {
  it("is its own id, if it has one", () => {
    const nameOf = makeNames()
    assert.deepStrictEqual(
      [{ id: "T-17" }, { id: 0 }].map((event) => nameOf(line(""), event)),
      ["T-17", 0]
    )
  })

  it("is made of its line and of how many times it has come, the same whenever the input is read", () => {
    const lines = ["a", "b", "a", "a\r"].map(line)
    const read = () => {
      const nameOf = makeNames()
      return [...lines, tooLong, tooLong].map((each) => nameOf(each, { id: null }))
    }
    const names = read()
    assert.deepStrictEqual(read(), names)
    assert.strictEqual(names[0], "line-ca978112ca1bbdca-1")
    assert.deepStrictEqual([names[2], names[3]], ["line-ca978112ca1bbdca-2", "line-ca978112ca1bbdca-3"])
    assert.deepStrictEqual(names.slice(4), ["line-too-long-1", "line-too-long-2"])
    assert.strictEqual(new Set(names).size, names.length)
  })
})
