import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { FairQueue, type Waiting } from "../../src/domain/FairQueue.ts"

interface Named extends Waiting {
  readonly name: string
}

const anybody = () => true

const queueOf = (...entries: ReadonlyArray<Named>) => {
  const queue = new FairQueue<Named>()
  for (const entry of entries) queue.add(entry)
  return queue
}

const order = (queue: FairQueue<Named>, mayGo: (entry: Named) => boolean = anybody) => {
  const names: Array<string> = []
  for (let next = queue.next(mayGo); next !== undefined; next = queue.next(mayGo)) names.push(next.name)
  return names
}

const of = (client: string, name: string, priority: Named["priority"] = "normal"): Named => ({ client, name, priority })

describe("FairQueue", () => {
  it("serves one client in the order that its requests came", () => {
    assert.deepStrictEqual(order(queueOf(of("a", "1"), of("a", "2"), of("a", "3"))), ["1", "2", "3"])
  })

  it("doesn't let a client with many starve one with few", () => {
    const queue = queueOf(of("a", "a1"), of("a", "a2"), of("a", "a3"), of("a", "a4"), of("b", "b1"))
    assert.deepStrictEqual(order(queue), ["a1", "b1", "a2", "a3", "a4"])
  })

  it("gives no credit for having been away", () => {
    const queue = queueOf(of("a", "a1"), of("a", "a2"), of("a", "a3"), of("a", "a4"))
    for (let at = 0; at < 2; at++) queue.next(anybody)
    for (const name of ["b1", "b2", "b3"]) queue.add(of("b", name))
    assert.deepStrictEqual(order(queue).slice(0, 4).sort(), ["a3", "a4", "b1", "b2"])
  })

  it("starves nobody for a client that has but one waiting, and another as soon as that goes", () => {
    const queue = queueOf(...Array.from({ length: 20 }, (_, at) => of("a", `a${at}`)), of("b", "b"))
    const served = Array.from({ length: 20 }, () => {
      const next = queue.next(anybody)
      if (next?.client === "b") queue.add(of("b", "b"))
      return next?.client
    })
    assert.strictEqual(served.filter((client) => client === "a").length, 10)
  })

  it("forgets nothing that a client has had when its others leave", () => {
    const queue = queueOf(...Array.from({ length: 20 }, (_, at) => of("a", `a${at}`)))
    const served = Array.from({ length: 20 }, () => {
      for (const name of ["b1", "b2"]) queue.add(of("b", name))
      const next = queue.next(anybody)
      for (const entry of queue.entries()) if (entry.client === "b") queue.remove(entry)
      return next?.client
    })
    assert.isAtLeast(served.filter((client) => client === "a").length, 9)
  })

  it("starves nobody for clients that are new each time", () => {
    const queue = queueOf(...Array.from({ length: 20 }, (_, at) => of("a", `a${at}`)), of("b0", "b0"))
    const served = Array.from({ length: 20 }, (_, at) => {
      const next = queue.next(anybody)
      if (next?.client !== "a") queue.add(of(`b${at + 1}`, `b${at + 1}`))
      return next?.client
    })
    assert.isAtLeast(served.filter((client) => client === "a").length, 9)
  })

  it("knows who comes back from a newcomer", () => {
    const queue = queueOf(of("a", "a1"), of("a", "a2"), of("a", "a3"), of("b", "b1"))
    for (const again of ["b2", "b3"]) {
      queue.next(({ client }) => client === "b")
      queue.add(of("b", again))
    }
    assert.deepStrictEqual(order(queue).slice(0, 2), ["a1", "a2"])
  })

  it("has no newcomer wait longer for others having been served elsewhere", () => {
    const stuck = Array.from({ length: 9 }, (_, at) => of("a", `a${at}`))
    const queue = queueOf(...stuck, ...Array.from({ length: 99 }, (_, at) => of("b", `b${at}`)))
    for (let turn = 0; turn < 90; turn++) queue.next(({ client }) => client === "b")
    queue.add(of("c", "c"))
    assert.include(order(queue).slice(0, 2), "c")
  })

  it("lets a client's urgent requests go first, and counts them for less", () => {
    const own = queueOf(of("a", "low", "low"), of("a", "normal"), of("a", "high", "high"), of("a", "also high", "high"))
    assert.deepStrictEqual(order(own), ["high", "also high", "normal", "low"])
    const both = queueOf(
      ...Array.from({ length: 8 }, (_, at) => of("a", `a${at}`, "high")),
      ...Array.from({ length: 8 }, (_, at) => of("b", `b${at}`, "low"))
    )
    const first = order(both).slice(0, 5)
    assert.strictEqual(first.filter((name) => name.startsWith("a")).length, 4)
  })

  it("passes over those who may not go, without losing their turn", () => {
    const queue = queueOf(of("a", "a1"), of("b", "b1"), of("a", "a2"))
    assert.deepStrictEqual(
      order(queue, ({ client }) => client === "b"),
      ["b1"]
    )
    assert.deepStrictEqual(order(queue), ["a1", "a2"])
  })

  it("forgets whoever is taken out", () => {
    const entry = of("a", "a1")
    const queue = queueOf(entry, of("a", "a2"))
    assert.isTrue(queue.remove(entry))
    assert.isFalse(queue.remove(entry))
    assert.deepStrictEqual([queue.size, order(queue), queue.size], [1, ["a2"], 0])
  })

  const Step = Schema.Struct({
    client: Schema.Literals(["a", "b", "c"]),
    priority: Schema.Literals(["high", "normal", "low"]),
    action: Schema.Literals(["add", "add", "next", "leave"])
  })
  it.effect.prop("loses nobody and serves nobody twice", { steps: Schema.Array(Step) }, ({ steps }) =>
    Effect.sync(() => {
      const queue = new FairQueue<Named>()
      const inside = new Set<Named>()
      steps.forEach(({ action, client, priority }, at) => {
        if (action === "add") {
          const entry = of(client, String(at), priority)
          queue.add(entry)
          inside.add(entry)
        } else if (action === "next") {
          const next = queue.next(anybody)
          assert.strictEqual(next !== undefined, inside.size > 0)
          if (next !== undefined) assert.isTrue(inside.delete(next))
        } else {
          const [leaver] = inside
          if (leaver !== undefined) {
            assert.isTrue(queue.remove(leaver))
            inside.delete(leaver)
          }
        }
        assert.strictEqual(queue.size, inside.size)
        assert.isTrue(queue.entries().every((entry) => inside.has(entry)))
      })
    })
  )

  const Crowd = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 }))).check(
    Schema.isMinLength(2),
    Schema.isMaxLength(5)
  )
  it.effect.prop("keeps clients that all wait within one turn of each other", { crowd: Crowd }, ({ crowd }) =>
    Effect.sync(() => {
      const queue = queueOf(
        ...crowd.flatMap((count, client) =>
          Array.from({ length: count }, (_, at) => of(`c${client}`, `c${client} ${at}`))
        )
      )
      const served = crowd.map(() => 0)
      const least = Math.min(...crowd)
      for (let turn = 0; turn < least * crowd.length; turn++) {
        const client = Number(queue.next(anybody)?.client.slice(1))
        served[client] = (served[client] ?? 0) + 1
        assert.isAtMost(Math.max(...served) - Math.min(...served), 1)
      }
    })
  )
})
