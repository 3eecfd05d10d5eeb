import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Bag } from "../../src/services/Bag.ts"

describe("a bag", () => {
  it.prop(
    "holds what has come and not gone, in the order in which it came",
    {
      steps: Schema.Array(
        Schema.Union([
          Schema.TaggedStruct("Come", {}),
          Schema.TaggedStruct("Go", { which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })) })
        ])
      ).check(Schema.isMinLength(12))
    },
    ({ steps }) => {
      const bag = new Bag<number>()
      const leave: Array<() => void> = []
      let inside: Array<number> = []
      for (const step of steps) {
        if (step._tag === "Come") {
          inside.push(leave.length)
          leave.push(bag.add(leave.length))
        } else {
          leave[step.which]?.()
          inside = inside.filter((value) => value !== step.which)
        }
        assert.deepStrictEqual(bag.values(), inside)
      }
    }
  )
})
