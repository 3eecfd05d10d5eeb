import { assert, it } from "@effect/vitest"
import { counted } from "../../src/domain/Counted.ts"

it.each([
  [0, "0 seconds"],
  [0.001, "0.001 seconds"],
  [1, "1 second"],
  [1.5, "1.5 seconds"],
  [2, "2 seconds"]
])("%d is told as %s", (count, told) => {
  assert.strictEqual(counted(count, "second"), told)
})
