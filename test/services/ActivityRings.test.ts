import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { addActivities, mostRecentErrors, ofTheDeparted, pointCount } from "../../src/domain/Activity.ts"
import { ActivityRings, type Ended } from "../../src/services/ActivityRings.ts"

const good: Ended = { route: "/event", status: 200, code: undefined, requestId: "good", millis: 100 }
const bad = (status: number, requestId = "bad"): Ended => ({
  ...{ route: "/event", status, requestId, millis: 5 },
  code: status === 499 ? "client_closed_request" : "api_server_error"
})

const rings = Effect.map(Clock.Clock, (clock) => new ActivityRings(clock))
const last = (points: ReadonlyArray<number>) => points.at(-1)

describe("what was done of late", () => {
  it.effect("is forgotten as time goes by, while totals stay", () =>
    Effect.gen(function* () {
      const done = yield* rings
      for (let at = 0; at < 10; at++) done.ended(good)
      done.tokens(3, 70)
      done.generated("delivered", 70)
      done.generated("wasted", 50)
      assert.deepStrictEqual(done.activity().late, {
        tenSeconds: 10,
        minute: 10,
        minuteServerErrors: 0,
        minuteTokens: 120
      })
      assert.strictEqual(last(done.activity().points.requests), 10)
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(done.activity().late.tenSeconds, 0)
      assert.strictEqual(done.activity().late.minute, 10)
      assert.strictEqual(last(done.activity().points.requests), 0)
      assert.strictEqual(done.activity().points.requests.at(-2), 10)
      yield* TestClock.adjust("1 hour")
      const { late, latency, points, tokens, totals } = done.activity()
      assert.deepStrictEqual(Object.values(late), [0, 0, 0, 0])
      assert.strictEqual(latency.count, 0)
      assert.lengthOf(points.requests, pointCount)
      assert.isTrue(points.requests.every((count) => count === 0))
      assert.strictEqual(totals.succeeded, 10)
      assert.deepStrictEqual(tokens, { input: 3, output: 70, delivered: 70, wasted: 50 })
    })
  )

  it.effect("tells failures by whose they are, and measures successes alone", () =>
    Effect.gen(function* () {
      const done = yield* rings
      for (const request of [good, bad(404), bad(503), bad(499)]) done.ended(request)
      const { late, latency, points, recentErrors, totals } = done.activity()
      assert.deepStrictEqual(totals, { succeeded: 1, clientErrors: 1, serverErrors: 1, left: 1 })
      assert.strictEqual(late.minuteServerErrors, 1)
      assert.strictEqual(last(points.errors), 2)
      assert.strictEqual(latency.count, 1)
      assert.strictEqual(latency.sum, 100)
      assert.deepStrictEqual(recentErrors.map(({ status }) => status).sort(), [404, 503])
    })
  )

  it.effect("takes the same room however much there is to tell", () =>
    Effect.gen(function* () {
      const done = yield* rings
      const sizes: Array<number> = []
      for (let round = 0; round < 4; round++) {
        for (let at = 0; at < 5000; at++) {
          done.ended(at % 2 === 0 ? bad(500, `id-${at % 10}`) : good)
          done.firstToken(at)
          if (at % 50 === 0) yield* TestClock.adjust("7 seconds")
        }
        sizes.push(JSON.stringify(done.activity()).length)
        assert.lengthOf(done.activity().recentErrors, mostRecentErrors)
      }
      assert.isBelow(Math.max(...sizes), 8000)
    })
  )

  it.effect("remembers the last failures, the latest first", () =>
    Effect.gen(function* () {
      const done = yield* rings
      for (let at = 0; at < mostRecentErrors + 5; at++) {
        done.ended(bad(500, `id-${at}`))
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(
        done.activity().recentErrors.map(({ requestId }) => requestId),
        Array.from({ length: mostRecentErrors }, (_, age) => `id-${mostRecentErrors + 4 - age}`)
      )
    })
  )

  it.effect("is added up for several workers, and of those that are gone only the totals", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* rings, yield* rings]
      one.begun()
      one.ended(good)
      other.begun()
      other.ended(good)
      yield* TestClock.adjust("1 second")
      other.ended(bad(500))
      const both = addActivities(one.activity(), other.activity())
      assert.strictEqual(both.totals.succeeded, 2)
      assert.strictEqual(both.late.minute, 3)
      assert.strictEqual(both.latency.count, 2)
      assert.strictEqual(both.inFlight, 2)
      const left = addActivities(one.activity(), ofTheDeparted(other.activity()))
      assert.strictEqual(left.totals.succeeded, 2)
      assert.strictEqual(left.totals.serverErrors, 1)
      assert.lengthOf(left.recentErrors, 1)
      assert.strictEqual(left.late.minute, 1)
      assert.strictEqual(left.inFlight, 1)
      assert.lengthOf(left.points.requests, pointCount)
    })
  )
})
