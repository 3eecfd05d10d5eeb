import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { backends, faultsOf, scheduleOf } from "../../scripts/chaos/schedule.ts"
import { FaultScript } from "../../src/simulator/FaultScript.ts"

const seeds = Array.from({ length: 100 }, (_, seed) => seed)
const twoMinutes = 120_000

describe("the troubles of a chaos run", () => {
  it("leave one backend well at any time, and never come twice at once to another", () => {
    for (const seed of seeds) {
      const troubles = scheduleOf(seed, twoMinutes)
      for (const { at } of troubles) {
        const troubled = troubles.filter((trouble) => trouble.at <= at && at < trouble.at + trouble.lasts)
        assert.isBelow(troubled.length, backends.length)
        assert.strictEqual(new Set(troubled.map(({ backend }) => backend)).size, troubled.length)
      }
    }
  })

  it("come all along, of every kind and to every backend", () => {
    for (const seed of seeds) {
      const troubles = scheduleOf(seed, twoMinutes)
      assert.isAbove(troubles.length, 30)
      assert.isAbove(Math.max(...troubles.map(({ at }) => at)), twoMinutes - 10_000)
      assert.strictEqual(new Set(troubles.map(({ kind }) => kind)).size, 6)
      assert.strictEqual(new Set(troubles.map(({ backend }) => backend)).size, backends.length)
    }
  })

  it("are the same for the same seed, and others for another", () => {
    assert.deepStrictEqual(scheduleOf(1, twoMinutes), scheduleOf(1, twoMinutes))
    assert.notDeepEqual(scheduleOf(1, twoMinutes), scheduleOf(2, twoMinutes))
  })

  it("are written as the simulator reads them", () => {
    const kinds = ["busy", "rubbish", "broken", "slow", "stalled"] as const
    for (const backend of backends) {
      for (const kind of kinds) assert.doesNotThrow(() => Schema.decodeSync(FaultScript)(faultsOf(kind, backend)))
    }
  })
})
