import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { NoBackendAvailable, Overloaded } from "../../src/domain/Failure.ts"
import { failing } from "../../src/services/BackendFailed.ts"
import { Backends, type Lane, type LaneOptions, type Plan } from "../../src/services/Backends.ts"
import { isFree } from "../../src/services/LaneChoice.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { Settings } from "../../src/services/Settings.ts"
import { Slot, WaitingLine } from "../../src/services/WaitingLine.ts"
import { Fellows } from "../../src/services/workers/Fellows.ts"
import { backendError } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { gates } from "../support/LineHarness.ts"
import { from, named } from "../support/PoolHarness.ts"
import { fellowsOf } from "../support/SharedLine.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const names = ["a", "b", "c"] as const
/** A backend of a plan; without slots it isn't in it. */
const LaneShape = Schema.Struct({ slots: between(0, 3), tier: between(1, 2) })
const PlanShape = Schema.Struct({ a: LaneShape, b: LaneShape, c: LaneShape })
type PlanShape = typeof PlanShape.Type

/** Everything happens within so many milliseconds. */
const Moment = between(0, 3000)
const Visitor = Schema.Struct({
  client: Schema.Literals(["x", "y", "z"]),
  arrives: between(0, 1500),
  takes: between(0, 400),
  leavesAfter: between(0, 400),
  cleanupTakes: between(0, 100),
  manner: Schema.Literals(["ends", "ends", "fails", "dies", "leaves"]),
  wants: Schema.Literals(["abc", "ab", "c"])
})
type Visitor = typeof Visitor.Type
const Turn = Schema.Struct({
  at: Moment,
  what: Schema.Union([
    Schema.Struct({ _tag: Schema.Literal("breaks"), name: Schema.Literals(names) }),
    Schema.Struct({ _tag: Schema.Literal("mends"), name: Schema.Literals(names) }),
    Schema.Struct({ _tag: Schema.Literal("reload"), plan: PlanShape })
  ])
})

// The line that is shared goes by the names of backends: one that changes keeps its slots and who waits for it, and while
// its workers hear of that one by one, turns are not what they were.
const planOf = (shape: PlanShape): Plan => {
  const lanes = names.flatMap((name): ReadonlyArray<LaneOptions> => {
    const { slots, tier } = shape[name]
    const { backend } = named(name, {})
    return slots === 0 ? [] : [{ backend, slots, tier, fingerprint: `${name} ${slots} ${tier}` }]
  })
  const [first = { backend: named("a", {}).backend, slots: 1, fingerprint: "a alone" }, ...rest] = lanes
  return { lanes: [first, ...rest], routes: [] }
}

const poolWith = Effect.fnUntraced(function* (gate: (typeof gates)[number], plan: Plan, queueLimit: number) {
  const context = yield* Layer.build(
    WaitingLine.layer.pipe(
      Layer.provideMerge(Backends.layer(Effect.succeed(plan))),
      Layer.provideMerge(Metrics.layer),
      Layer.provide(Layer.succeed(Fellows)(gate === "own" ? undefined : fellowsOf())),
      Layer.provide(Settings.layerRecord({ AI_TICKET_QUEUE_LIMIT: String(queueLimit) }))
    )
  )
  return { backends: Context.get(context, Backends), line: Context.get(context, WaitingLine) }
})

const down = backendError("api_connection_error", "retry")

/** Lets everybody go as far as he can without time passing: nothing has happened for so many turns. */
const settled = (signature: () => number, turns: number) =>
  Effect.gen(function* () {
    let before = -1
    for (let same = 0; same < turns; same++) {
      yield* Effect.yieldNow
      if (signature() !== before) same = 0
      before = signature()
    }
  })

/** Where fibers yield to each other: after many steps, as usual, or after each few. */
const usualSteps = 2048

/** Fibers take their turns after so few steps that somebody else comes in between. */
const inSmallSteps = Effect.provideService(References.MaxOpsBeforeYield, 4)
const onlyA: PlanShape = { a: { slots: 1, tier: 1 }, b: { slots: 0, tier: 1 }, c: { slots: 0, tier: 1 } }
const onlyB: PlanShape = { ...onlyA, a: { slots: 0, tier: 1 }, b: { slots: 1, tier: 1 } }
const onA = (lane: Lane) => (lane.backend.name === "a" ? 1 : undefined)

describe.each(gates)("a visitor that yields in the wrong moment, line: %s", (gate) => {
  it.effect("doesn't stand in line for a backend that went while it looked at it", () =>
    Effect.gen(function* () {
      for (let yields = 0; yields < 60; yields++) {
        const { backends, line } = yield* poolWith(gate, planOf(onlyA), 10)
        const holder = yield* forked(line.withSlot(onA, () => Effect.never))
        const visitor = yield* forked(Effect.flip(inSmallSteps(line.withSlot(onA, () => Effect.void))))
        for (let at = 0; at < yields; at++) yield* Effect.yieldNow
        yield* backends.apply(planOf(onlyB))
        yield* settled(() => 0, 200)
        assert.strictEqual(visitor.pollUnsafe()?._tag, "Success", `after ${yields} yields`)
        yield* Fiber.interrupt(holder)
      }
    })
  )
})

describe.each(gates)("any crowd before several backends that break, come back and change, line: %s", (gate) => {
  it.effect.prop(
    "keeps to the slots, wakes everybody once, leaves nobody waiting beside a free backend, and ends",
    {
      plan: PlanShape,
      queueLimit: between(0, 12),
      visitors: Schema.Array(Visitor).check(Schema.isMinLength(10), Schema.isMaxLength(60)),
      turns: Schema.Array(Turn).check(Schema.isMaxLength(8)),
      steps: Schema.Literals([usualSteps, 4, 7, 13])
    },
    ({ plan, queueLimit, steps, turns, visitors }) =>
      Effect.gen(function* () {
        const { backends, line } = yield* poolWith(gate, planOf(plan), queueLimit)
        const holding = new Map<Lane, number>()
        const ends = visitors.map((): Array<string> => [])
        const states = visitors.map((): "away" | "waiting" | "served" | "over" => "away")
        /** What must not be: told here, since an assertion within a visit would only fail the visit. */
        const wrong: Array<string> = []
        let events = 0

        const hold = (index: number, { cleanupTakes, manner, takes }: Visitor) =>
          Effect.fnUntraced(function* (lane: Lane) {
            events += 1
            ends[index]?.push("served")
            states[index] = "served"
            const slot = yield* Slot
            const count = (change: number) =>
              Effect.sync(() => {
                const held = (holding.get(lane) ?? 0) + change
                holding.set(lane, held)
                if (held > lane.slots || lane.load.inUse() > lane.slots) wrong.push(`${held} held, of ${lane.slots}`)
              })
            yield* Effect.uninterruptible(Effect.andThen(count(1), Scope.addFinalizer(slot, count(-1))))
            yield* Effect.sleep(takes).pipe(
              Effect.onInterrupt(() => Scope.addFinalizer(slot, Effect.sleep(cleanupTakes)))
            )
            if (manner === "dies") return yield* Effect.die("bug")
            if (manner === "fails") return yield* down
          })

        const refused = (index: number, error: Overloaded | NoBackendAvailable, least: number) =>
          Effect.sync(() => {
            ends[index]?.push(error._tag)
            const { retryAfterMillis } = error
            const sane = retryAfterMillis >= least && retryAfterMillis <= 30_000
            // The test's clock can go back for a fiber that yields between reading it and going to sleep.
            if (!sane && steps === usualSteps) wrong.push(`${error._tag}: ${retryAfterMillis} ms`)
          })

        const wants = ({ wants }: Visitor, lane: Lane) => wants.includes(lane.backend.name)
        const visit = (visitor: Visitor, index: number) =>
          Effect.suspend(() => {
            events += 1
            states[index] = "waiting"
            return line.withSlot(
              (lane) => (wants(visitor, lane) ? lane.tier : undefined),
              (lane) => failing(lane, hold(index, visitor)(lane), false)
            )
          }).pipe(
            Effect.catchTags({
              Overloaded: (error) => refused(index, error, 0),
              NoBackendAvailable: (error) => refused(index, error, 1),
              // Its breaker turned just before, and let nobody through.
              BackendFailed: ({ error }) =>
                error._tag === "NoBackendAvailable" ? refused(index, error, 1) : Effect.void
            }),
            Effect.exit,
            Effect.timeoutOption(visitor.manner === "leaves" ? visitor.leavesAfter : "1 day"),
            Effect.ensuring(
              Effect.sync(() => {
                events += 1
                states[index] = "over"
              })
            ),
            from(visitor.client).being,
            Effect.delay(visitor.arrives),
            Effect.provideService(References.MaxOpsBeforeYield, steps),
            forked
          )

        const turn = ({ at, what }: typeof Turn.Type) =>
          Effect.suspend(() => {
            if (what._tag === "reload") return gate === "own" ? backends.apply(planOf(what.plan)) : Effect.void
            const lane = backends.lanes().find(({ backend }) => backend.name === what.name)
            if (lane === undefined) return Effect.void
            return what._tag === "mends"
              ? Effect.ignore(lane.breaker.guard(Effect.void))
              : Effect.repeat(Effect.ignore(lane.breaker.guard(down)), { times: 9 })
          }).pipe(Effect.delay(at), Effect.provideService(References.MaxOpsBeforeYield, steps), forked)

        /** Whoever waits has something to wait for, and none of it is free. */
        const look = Effect.gen(function* () {
          const lanes = yield* Effect.forEach(backends.lanes(), (lane) =>
            Effect.map(Effect.all([Effect.exit(lane.breaker.check), lane.breaker.state]), ([check, state]) => ({
              ...{ lane, state },
              up: check._tag === "Success"
            }))
          )
          visitors.forEach((visitor, index) => {
            if (states[index] !== "waiting") return
            const up = lanes.filter(({ lane, up }) => up && wants(visitor, lane))
            assert.isAbove(up.length, 0, `visitor ${index} waits for nothing`)
            const tier = Math.min(...up.map(({ lane }) => lane.tier))
            const free = up.filter(({ lane, state }) => state === "closed" && lane.tier === tier && isFree(lane))
            assert.deepStrictEqual(
              free.map(({ lane }) => lane.backend.name),
              [],
              `visitor ${index} waits beside them`
            )
          })
          const waiting = states.filter((state) => state === "waiting").length
          assert.strictEqual(yield* line.waiting, waiting)
          assert.isAtMost(waiting, queueLimit)
        })

        const fibers = [...(yield* Effect.forEach(visitors, visit)), ...(yield* Effect.forEach(turns, turn))]
        const quiet = steps === usualSteps ? 30 : 1000 / steps
        for (let at = 0; at < 40; at++) {
          yield* TestClock.adjust(100)
          yield* settled(() => events, quiet)
          yield* look
        }
        yield* TestClock.adjust("1 minute")
        yield* settled(() => events, quiet)
        assert.deepStrictEqual(wrong, [])
        assert.isTrue(
          states.every((state) => state === "over"),
          states.join()
        )
        yield* Fiber.joinAll(fibers)
        visitors.forEach(({ manner }, index) => {
          if (manner === "leaves") assert.isAtMost(ends[index]?.length ?? 0, 1)
          else assert.strictEqual(ends[index]?.length, 1, `visitor ${index}: ${ends[index]?.join()}`)
        })
        assert.deepStrictEqual([yield* line.waiting, yield* line.inUse], [0, 0])
        assert.isTrue([...holding.values()].every((held) => held === 0))
      }),
    { arbitrary: { runs: 60 }, timeout: 60_000 }
  )
})

describe.each(gates)("clients with many and few requests before several backends, line: %s", (gate) => {
  it.effect.prop(
    "are served by turns, whatever the backends take, and when they change",
    {
      plan: PlanShape,
      next: PlanShape,
      takes: Schema.Struct({ a: between(10, 200), b: between(10, 200), c: between(10, 200) }),
      crowd: Schema.Struct({ x: between(1, 50), y: between(1, 10), z: between(1, 3) })
    },
    ({ crowd, next, plan, takes }) =>
      Effect.gen(function* () {
        const { backends, line } = yield* poolWith(gate, planOf(plan), 100)
        const anywhere = (lane: Lane) => lane.tier
        const left = { ...crowd }
        const served = { x: 0, y: 0, z: 0 }
        const clients = ["x", "y", "z"] as const
        const wrong: Array<string> = []
        // They keep every slot until all the others stand in line.
        const blockers = yield* Effect.forEach(
          backends.lanes().flatMap(({ slots }) => Array.from({ length: slots })),
          () => forked(line.withSlot(anywhere, () => Effect.sleep(1)))
        )
        const serve = (client: (typeof clients)[number]) => (lane: Lane) =>
          Effect.suspend(() => {
            served[client] += 1
            left[client] -= 1
            for (const other of clients) {
              if (left[other] > 0 && served[client] - served[other] > 1) {
                wrong.push(`${client} had ${served[client]} turns, ${other} ${served[other]}`)
              }
            }
            return Effect.sleep(takes[lane.backend.name as keyof typeof takes])
          })
        const fibers = yield* Effect.forEach(
          clients.flatMap((client) => Array.from({ length: crowd[client] }, () => client)),
          (client) => forked(from(client).being(line.withSlot(anywhere, serve(client))))
        )
        yield* TestClock.adjust(500)
        if (gate === "own") yield* backends.apply(planOf(next))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.joinAll([...blockers, ...fibers])
        assert.deepStrictEqual([wrong, served], [[], crowd])
      }),
    { arbitrary: { runs: 60 }, timeout: 60_000 }
  )
})
