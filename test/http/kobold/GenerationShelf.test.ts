import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Limits, makeShelf } from "../../../src/http/kobold/GenerationShelf.ts"

const limits: Limits = { generations: 3, characters: 20, millis: 100 }

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
const Step = Schema.Union([
  Schema.Struct({ begin: Schema.Literals(["a", "b", "c", "d", "e"]), characters: upTo(12) }),
  Schema.Struct({ end: upTo(9) }),
  Schema.Struct({ wait: upTo(60) })
])

interface Run {
  readonly name: string
  readonly text: string
}

describe("the shelf of generations", () => {
  it.effect.prop(
    "keeps all that runs, and within its limits the latest that ran, whatever comes in whatever order",
    { steps: Schema.Array(Step).check(Schema.isMaxLength(40)) },
    ({ steps }) =>
      Effect.sync(() => {
        const shelf = makeShelf<Run>(limits)
        const running: Array<Run> = []
        const latest = new Map<string, Run>()
        let now = 0
        for (const step of steps) {
          if ("wait" in step) now += step.wait
          else if ("begin" in step) {
            const run = { name: step.begin, text: "x".repeat(step.characters) }
            running.push(run)
            latest.set(run.name, run)
            shelf.begin(run.name, run, now)
          } else {
            const [run] = running.splice(step.end, 1)
            if (run !== undefined) shelf.end(run.name, run, now)
          }
          let ended = 0
          for (const [name, run] of latest) {
            const here = running.filter((other) => other.name === name)
            assert.sameMembers([...shelf.running(name)], here)
            const told = shelf.latest(name, now)
            if (here.length > 0 || told !== undefined) assert.strictEqual(told, run)
            if (here.length === 0) ended += told?.text.length ?? 0
          }
          const counts = shelf.counts(now)
          assert.strictEqual(counts.running, running.length)
          assert.isAtMost(counts.remembered, limits.generations)
          assert.isAtMost(ended, limits.characters)
        }
        assert.strictEqual(shelf.counts(now + limits.millis).remembered, 0)
      })
  )

  const ran = (name: string, text = "") => ({ name, text })

  it("forgets the oldest when there are too many, and each after its time", () => {
    const shelf = makeShelf<Run>(limits)
    for (const [at, name] of ["a", "b", "c", "d"].entries()) {
      const run = ran(name)
      shelf.begin(name, run, at)
      shelf.end(name, run, at)
    }
    assert.deepStrictEqual(
      ["a", "b", "c", "d"].map((name) => shelf.latest(name, 4) !== undefined),
      [false, true, true, true]
    )
    assert.isDefined(shelf.latest("b", 100))
    assert.isUndefined(shelf.latest("b", 101))
    assert.deepStrictEqual(shelf.counts(101), { running: 0, remembered: 2 })
  })

  it("forgets the oldest when their texts are too long together, and a text that is too long alone", () => {
    const shelf = makeShelf<Run>(limits)
    for (const run of [ran("a", "x".repeat(10)), ran("b", "x".repeat(10)), ran("c", "x")]) {
      shelf.begin(run.name, run, 0)
      shelf.end(run.name, run, 0)
    }
    assert.isUndefined(shelf.latest("a", 0))
    assert.isDefined(shelf.latest("b", 0))
    const long = ran("long", "x".repeat(21))
    shelf.begin("long", long, 0)
    assert.strictEqual(shelf.latest("long", 1000), long)
    shelf.end("long", long, 1000)
    assert.deepStrictEqual(shelf.counts(1000), { running: 0, remembered: 0 })
  })

  it("begins the time of a name again when it is used again", () => {
    const shelf = makeShelf<Run>(limits)
    for (const at of [0, 90]) {
      const run = ran("a", String(at))
      shelf.begin("a", run, at)
      shelf.end("a", run, at)
    }
    assert.strictEqual(shelf.latest("a", 189)?.text, "90")
  })
})
