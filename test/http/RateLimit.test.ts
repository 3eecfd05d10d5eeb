import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertFailure, type Incoming, send, sendEvent } from "../support/Http.ts"
import { movableClock } from "../support/MovableClock.ts"
import { startService } from "../support/Running.ts"

const event = { content: "hi" }

const times = (count: number) => Array.from({ length: count }, (_, at) => at)

/** The two fields of the draft, taken apart. */
const quotaOf = ({ headers }: Incoming) => {
  const policy = /^"default";q=(\d+);w=(\d+)$/.exec(String(headers["ratelimit-policy"]))
  const state = /^"default";r=(\d+);t=(\d+)$/.exec(String(headers["ratelimit"]))
  return {
    limit: Number(policy?.[1]),
    window: Number(policy?.[2]),
    left: Number(state?.[1]),
    reset: Number(state?.[2])
  }
}

describe("the rate limit", () => {
  it.live("lets exactly that many pass, and tells each how many are left", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ RATE_LIMIT_REQUESTS: "3", RATE_LIMIT_WINDOW_SECONDS: "60" })
      for (const left of [2, 1, 0]) {
        const answer = yield* sendEvent(url, event)
        assert.strictEqual(answer.status, 200)
        const quota = quotaOf(answer)
        assert.deepStrictEqual([quota.limit, quota.window, quota.left], [3, 60, left])
        assert.isTrue(quota.reset > 0 && quota.reset <= 60, `resets in ${quota.reset}`)
      }
      const refused = yield* sendEvent(url, event)
      assertFailure(refused, "rate_limited")
      assert.match(String(refused.headers["retry-after"]), /^[1-9]\d*$/)
      assert.isAtMost(Number(refused.headers["retry-after"]), 60)
      const quota = quotaOf(refused)
      assert.deepStrictEqual([quota.limit, quota.window, quota.left], [3, 60, 0])
      assert.isTrue(quota.reset > 0 && quota.reset <= 60)
      assert.strictEqual(backend.calls.length, 3)
    })
  )

  it.live("holds when everybody comes at once", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ RATE_LIMIT_REQUESTS: "10", AI_TICKET_SLOTS: "8" })
      const answers = yield* Effect.forEach(times(40), () => sendEvent(url, event), { concurrency: "unbounded" })
      assert.strictEqual(answers.filter(({ status }) => status === 200).length, 10)
      assert.strictEqual(answers.filter(({ status }) => status === 429).length, 30)
    })
  )

  it.live("ends: who waits as long as told is let in", () =>
    Effect.gen(function* () {
      const { pass, seen } = yield* movableClock
      const { url } = yield* seen(startService({ RATE_LIMIT_REQUESTS: "2", RATE_LIMIT_WINDOW_SECONDS: "3600" }))
      yield* Effect.forEach(times(2), () => sendEvent(url, event))
      const refused = yield* sendEvent(url, event)
      assertFailure(refused, "rate_limited")
      pass(1000 * Number(refused.headers["retry-after"]))
      assert.strictEqual((yield* sendEvent(url, event)).status, 200)
    })
  )

  it.live("counts what fails too: bad bodies, unknown paths, failed logins", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ RATE_LIMIT_REQUESTS: "4", AI_TICKET_AUTH_TOKEN: "secret" })
      const headers = { "x-api-key": "secret" }
      const answers = [
        yield* sendEvent(url, event),
        yield* sendEvent(url, event, { headers: { "x-api-key": "guess" } }),
        yield* sendEvent(url, "nonsense", { headers }),
        yield* send(url, { path: "/nowhere", headers }),
        yield* sendEvent(url, event, { headers: { "x-api-key": "guess" } }),
        yield* sendEvent(url, event, { headers })
      ]
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [401, 403, 400, 404, 429, 429]
      )
      assert.deepStrictEqual(
        answers.map((answer) => quotaOf(answer).left),
        [3, 2, 1, 0, 0, 0]
      )
    })
  )

  it.live("never touches the open routes, and they use up nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ RATE_LIMIT_REQUESTS: "1" })
      for (const path of ["/health", "/ready", "/metrics"]) {
        for (const _ of times(3)) {
          const answer = yield* send(url, { path })
          assert.strictEqual(answer.status, 200)
          assert.isUndefined(answer.headers["ratelimit"])
        }
      }
      assert.strictEqual((yield* sendEvent(url, event)).status, 200)
      assertFailure(yield* sendEvent(url, event), "rate_limited")
      for (const path of ["/health", "/ready", "/metrics"]) assert.strictEqual((yield* send(url, { path })).status, 200)
    })
  )

  it.live("is off at 0, without its fields", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ RATE_LIMIT_REQUESTS: "0", AI_TICKET_SLOTS: "8" })
      const answers = yield* Effect.forEach(times(150), () => sendEvent(url, event), { concurrency: 8 })
      for (const { headers, status } of answers) {
        assert.strictEqual(status, 200)
        assert.isUndefined(headers["ratelimit"])
        assert.isUndefined(headers["ratelimit-policy"])
      }
    })
  )
})

describe("the rate limit by token", () => {
  const settings = {
    RATE_LIMIT_REQUESTS: "2",
    AI_TICKET_RATE_LIMIT_BY: "token",
    AI_TICKET_AUTH_TOKEN: "one,two"
  }

  it.live("is one per token, whichever header it comes in", () =>
    Effect.gen(function* () {
      const { url } = yield* startService(settings)
      const as = (headers: Record<string, string>) =>
        Effect.map(sendEvent(url, event, { headers }), ({ status }) => status)
      assert.deepStrictEqual(
        [
          yield* as({ "x-api-key": "one" }),
          yield* as({ authorization: "Bearer one" }),
          yield* as({ "x-api-key": "one" }),
          yield* as({ "x-api-key": "two" })
        ],
        [200, 200, 429, 200]
      )
    })
  )

  it.live("is per address for those without a good one: guessing is limited", () =>
    Effect.gen(function* () {
      const { url } = yield* startService(settings)
      const statuses = yield* Effect.forEach(times(4), (at) =>
        Effect.map(sendEvent(url, event, { headers: { "x-api-key": `guess-${at}` } }), ({ status }) => status)
      )
      assert.deepStrictEqual(statuses, [403, 403, 429, 429])
      assert.strictEqual((yield* sendEvent(url, event, { headers: { "x-api-key": "one" } })).status, 200)
    })
  )
})
