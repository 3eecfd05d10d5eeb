import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { makeTrim } from "../../src/cli/Trimmed.ts"

/** What is printed at each piece. */
const printed = (pieces: ReadonlyArray<string>): ReadonlyArray<string> => {
  const trim = makeTrim()
  return pieces.map((piece) => trim(piece))
}

describe("a text that is trimmed while it comes", () => {
  it.each([
    { pieces: ["one"], shown: ["one"] },
    { pieces: [" \n one", " two"], shown: ["one", " two"] },
    { pieces: ["\n", " ", "one"], shown: ["", "", "one"] },
    { pieces: ["one ", "two"], shown: ["one", " two"] },
    { pieces: ["one", "\n", "\n", "two"], shown: ["one", "", "", "\n\ntwo"] },
    { pieces: ["one", " ", "\n"], shown: ["one", "", ""] },
    { pieces: ["one ", " ", " two "], shown: ["one", "", "   two"] },
    { pieces: ["", "one", ""], shown: ["", "one", ""] },
    { pieces: [" ", "\t"], shown: ["", ""] }
  ])("$pieces is told as $shown", ({ pieces, shown }) => {
    assert.deepStrictEqual(printed(pieces), shown)
  })

  const Piece = Schema.Literals(["", " ", "\n", "\u00a0", "a", " a", "a ", "a b", " \n a\t"])
  it.effect.prop(
    "comes to what it would be whole, and no piece of it waits that can't be its end",
    { pieces: Schema.Array(Piece) },
    ({ pieces }) =>
      Effect.sync(() => {
        const shown = printed(pieces)
        assert.strictEqual(shown.join(""), pieces.join("").trim())
        for (const at of pieces.keys()) {
          assert.strictEqual(
            shown.slice(0, at + 1).join(""),
            pieces
              .slice(0, at + 1)
              .join("")
              .trim()
          )
        }
      }),
    { arbitrary: { runs: 300 } }
  )
})
