import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { comeTo, type Ending, none, remembered } from "../../src/services/Ending.ts"

/** An ending that comes when the test says so, and doesn't remember who asked too late. */
const endingByHand = () => {
  const ends = new Set<(error: string) => void>()
  const ending: Ending<string> = (end) => {
    ends.add(end)
    return () => ends.delete(end)
  }
  return {
    ending,
    come: (error: string) => {
      for (const end of ends) end(error)
    },
    asking: () => ends.size
  }
}

describe("an ending that is remembered", () => {
  it.effect("is told to all who have asked, and at once to those who ask later", () =>
    Effect.gen(function* () {
      const { come, ending } = endingByHand()
      const kept = yield* remembered(ending)
      const told: Array<string> = []
      kept((error) => told.push(`early ${error}`))
      const forget = kept((error) => told.push(`forgotten ${error}`))
      forget()
      assert.isUndefined(comeTo(kept))
      come("first")
      come("second")
      kept((error) => told.push(`late ${error}`))
      assert.deepStrictEqual(told, ["early first", "late first"])
      assert.strictEqual(comeTo(kept), "first")
    })
  )

  it.effect("is forgotten with its scope", () =>
    Effect.gen(function* () {
      const { asking, ending } = endingByHand()
      yield* Effect.scoped(remembered(ending))
      assert.strictEqual(asking(), 0)
      assert.isUndefined(comeTo(yield* remembered(none)))
    })
  )
})
