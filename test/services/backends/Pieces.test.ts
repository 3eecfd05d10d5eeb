import { queryObjects } from "node:v8"
import { assert, describe, it } from "@effect/vitest"
import { Pieces } from "../../../src/services/backends/Pieces.ts"

describe("Pieces", () => {
  it("are one text, however many they were", () => {
    for (const count of [0, 1, 2, 1023, 1024, 1025, 5000]) {
      const pieces = new Pieces()
      for (let at = 0; at < count; at++) pieces.push(Buffer.from(String(at % 10)))
      assert.strictEqual(pieces.text(), "0123456789".repeat(500).slice(0, count))
      assert.strictEqual(pieces.size, count)
    }
  })

  it("may be cut within a character", () => {
    const pieces = new Pieces()
    for (const byte of Buffer.from("\ufeffÜ😀".repeat(600))) pieces.push(Buffer.of(byte))
    assert.strictEqual(pieces.text(), "\ufeffÜ😀".repeat(600).slice(1))
  })

  it("hold few objects, of however small pieces", () => {
    const before = queryObjects(Buffer, { format: "count" })
    const pieces = new Pieces()
    const read = Buffer.alloc(100_000, "x")
    for (let at = 0; at < read.length; at++) pieces.push(read.subarray(at, at + 1))
    assert.isBelow(queryObjects(Buffer, { format: "count" }) - before, 2000)
    assert.strictEqual(pieces.size, read.length)
  })
})
