import { assert, describe, it } from "@effect/vitest"
import { restartDelay } from "../../../src/services/workers/RestartPolicy.ts"

describe("the delay before another worker", () => {
  it("is none after a steady one, and grows with those that come to nothing, up to half a minute", () => {
    assert.deepStrictEqual([0, 1, 2, 3, 9, 10, 50].map(restartDelay), [0, 100, 200, 400, 25_600, 30_000, 30_000])
  })
})
