import { assert, describe, it } from "@effect/vitest"
import { whyNotSendable } from "../../src/domain/Sendable.ts"

const nested = (levels: number): unknown => JSON.parse(`${"[".repeat(levels)}1${"]".repeat(levels)}`)

describe("whyNotSendable", () => {
  it("has nothing against ordinary JSON", () => {
    for (const json of [null, true, 0, "", "🎟️ é \u0000", [], {}, { a: [{ b: ["c"] }] }, nested(100)]) {
      assert.isUndefined(whyNotSendable(json))
    }
  })

  it("finds half of a surrogate pair, in a text or a name, however deep", () => {
    for (const text of ["\ud83c", "a\udfdf", "\udfdf\ud83c"]) {
      for (const json of [text, { a: [{ b: text }] }, { [text]: 1 }, [[], {}, [text]]]) {
        assert.strictEqual(whyNotSendable(json), "a text in it holds half of a surrogate pair")
      }
    }
  })

  it("finds numbers that were too large to read", () => {
    assert.strictEqual(whyNotSendable(JSON.parse('{"a": [-1e999]}')), "a number in it is too large")
  })

  it("finds what is nested too deeply, and doesn't walk it on the stack", () => {
    const json = nested(400_000)
    assert.strictEqual(whyNotSendable(json), "it is nested more than 100 levels deep")
    assert.strictEqual(whyNotSendable(nested(101)), "it is nested more than 100 levels deep")
  })
})
