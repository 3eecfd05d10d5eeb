import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { planPortions } from "../../src/simulator/Portions.ts"

const letters = (count: number) => Array.from({ length: count }, (_, index) => "abcdefghij"[index % 10] ?? "")
const texts = (tokensPerSecond: number, tokens = letters(10), withheld: ReadonlyArray<string> = []) =>
  planPortions(tokens, tokensPerSecond, withheld).map((portion) => portion.tokens.join(""))
const dues = (tokensPerSecond: number) =>
  planPortions(letters(5), tokensPerSecond, []).map(({ dueMillis }) => dueMillis)

describe("the portions of a stream", () => {
  it("are single tokens when they come no faster than the server looks for them", () => {
    assert.deepStrictEqual(texts(50, letters(4)), ["a", "b", "c", "d"])
    assert.deepStrictEqual(dues(50), [20, 40, 60, 80, 100])
    assert.deepStrictEqual(texts(10, letters(3)), ["a", "b", "c"])
    assert.deepStrictEqual(dues(10), [100, 200, 300, 400, 500])
  })

  it("hold several tokens when these come faster", () => {
    assert.deepStrictEqual(texts(200), ["abcd", "efgh", "ij"])
    assert.deepStrictEqual(dues(200), [20, 40])
    assert.deepStrictEqual(texts(75, letters(6)), ["a", "bc", "d", "ef"])
  })

  it("are a few tokens each, and due at once, for a model without a pace", () => {
    assert.deepStrictEqual(texts(Number.POSITIVE_INFINITY), ["abcd", "efgh", "ij"])
    assert.deepStrictEqual(dues(Number.POSITIVE_INFINITY), [0, 0])
  })

  it("are one empty portion for a text without tokens", () => {
    assert.deepStrictEqual(planPortions([], 50, []), [{ tokens: [], dueMillis: 0 }])
  })

  it("wait where a stop sequence may have begun", () => {
    assert.deepStrictEqual(texts(50, letters(5), ["bcx"]), ["a", "bcd", "e"])
    assert.deepStrictEqual(texts(50, ["a", "\n", "\n", "U", "b"], ["\n\nUser"]), ["a", "\n\nUb"])
    assert.deepStrictEqual(texts(50, ["a", "ab", "c"], ["abx"]), ["aabc"])
  })

  const Word = Schema.Literals(["a", "b", "ab", "ba", ""])

  it.effect.prop(
    "joined are the text, and never end in the middle of what is withheld",
    {
      tokens: Schema.Array(Word).check(Schema.isMaxLength(40)),
      withheld: Schema.Array(Schema.Literals(["ab", "bab", "aab", "bb"])).check(Schema.isMaxLength(3)),
      tokensPerSecond: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 400 }))
    },
    ({ tokens, tokensPerSecond, withheld }) =>
      Effect.sync(() => {
        const portions = planPortions(tokens, tokensPerSecond, withheld)
        assert.deepStrictEqual(
          portions.flatMap((portion) => portion.tokens),
          [...tokens]
        )
        let sent = ""
        for (const portion of portions.slice(0, -1)) {
          sent += portion.tokens.join("")
          for (const sequence of withheld) {
            for (let length = 1; length < sequence.length; length++) {
              assert.isFalse(sent.endsWith(sequence.slice(0, length)), `${sent} of ${sequence}`)
            }
          }
        }
        const times = portions.map(({ dueMillis }) => dueMillis)
        assert.deepStrictEqual(
          times,
          times.toSorted((one, other) => one - other)
        )
      }),
    { arbitrary: { runs: 200 } }
  )
})
