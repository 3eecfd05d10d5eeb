import { assert, describe, it } from "@effect/vitest"
import { KeptLine } from "../../../src/services/workers/KeptLine.ts"
import type { Entering, ToLine } from "../../../src/services/workers/Packets.ts"

const one = { name: "one", slots: 1, weight: 1 }
const other = { name: "other", slots: 1, weight: 1 }

/** A worker of a line, and what it was told. */
const workerOf = (line: KeptLine) => {
  const told: Array<string> = []
  const place = line.worker((packet: ToLine) => {
    told.push(packet.tell === "granted" ? `${packet.visit} ${packet.lane}` : `${packet.visit} refused`)
  })
  const enter = (visit: number, more: Partial<Entering> = {}) =>
    place.hear({
      ...{ tell: "enter", visit, client: "c", priority: "normal", tiers: [[one]], free: false, queueLimit: 10 },
      ...more
    })
  const leave = (visit: number, heldMillis = 100) => place.hear({ tell: "leave", visit, heldMillis })
  return { told, enter, leave, ...place }
}

describe("the line that workers share", () => {
  it("lets in by slots, whichever worker asks, and fairly between clients", () => {
    const line = new KeptLine()
    const [left, right] = [workerOf(line), workerOf(line)]
    left.enter(1)
    left.enter(2)
    left.enter(3)
    right.enter(1, { client: "d" })
    assert.deepStrictEqual([left.told, right.told], [["1 one"], []])
    left.leave(1)
    left.leave(2)
    // The third of the first client comes behind the only one of the second.
    assert.deepStrictEqual([left.told, right.told], [["1 one", "2 one"], ["1 one"]])
    right.leave(1)
    assert.deepStrictEqual(left.told, ["1 one", "2 one", "3 one"])
  })

  it("refuses beyond its limit, and those who would wait in vain", () => {
    const worker = workerOf(new KeptLine())
    worker.enter(1)
    worker.enter(2, { queueLimit: 1 })
    worker.enter(3, { queueLimit: 1 })
    assert.deepStrictEqual(worker.told, ["1 one", "3 refused"])
    worker.leave(1, 1000)
    worker.enter(4, { millisLeft: 500 })
    assert.deepStrictEqual(worker.told, ["1 one", "3 refused", "2 one", "4 refused"])
  })

  it("gives whoever takes only what is free a later tier rather than a place in line", () => {
    const line = new KeptLine()
    const worker = workerOf(line)
    worker.enter(1)
    worker.enter(2, { free: true, tiers: [[one], [other]] })
    worker.enter(3, { free: true, tiers: [[one], [other]] })
    assert.deepStrictEqual(worker.told, ["1 one", "2 other", "3 refused"])
    assert.deepInclude(line.state([one]), { waiting: 0, inUse: 2, inUseOf: { one: 1, other: 1 } })
  })

  it("doesn't take a slot that was of no use for a short one", () => {
    const line = new KeptLine()
    const worker = workerOf(line)
    worker.enter(1)
    worker.leave(1, 4000)
    worker.enter(2)
    worker.hear({ tell: "leave", visit: 2 })
    worker.enter(3)
    assert.strictEqual(line.state([one]).expectedWait, 4000)
  })

  it("lets those go who now wait for another backend", () => {
    const worker = workerOf(new KeptLine())
    worker.enter(1)
    worker.enter(2)
    worker.hear({ tell: "among", visit: 2, among: [other] })
    assert.deepStrictEqual(worker.told, ["1 one", "2 other"])
  })

  it("frees what a dead worker had, but for what may still be generated", () => {
    const line = new KeptLine()
    const [dead, living] = [workerOf(line), workerOf(line)]
    const two = { tiers: [[{ ...one, slots: 2 }]] }
    dead.enter(1, two)
    dead.enter(2, two)
    dead.enter(3, two)
    dead.hear({ tell: "begun", visit: 1, genkey: "old" })
    dead.hear({ tell: "begun", visit: 1, genkey: "new" })
    living.enter(1, two)
    living.enter(2, two)
    const [orphan, ...more] = dead.gone()
    assert.deepStrictEqual([orphan?.backend, orphan?.genkey, more], ["one", "new", []])
    assert.deepStrictEqual([dead.told, living.told], [["1 one", "2 one"], ["1 one"]])
    assert.deepInclude(line.state(two.tiers.flat()), { waiting: 1, inUse: 2 })
    orphan?.settled()
    assert.deepStrictEqual(living.told, ["1 one", "2 one"])
  })
})
