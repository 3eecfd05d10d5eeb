import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makeLineSampler } from "../../src/http/LineSampler.ts"
import { send, sendEvent } from "../support/Http.ts"
import { startService } from "../support/Running.ts"

describe("lines of successes", () => {
  it("are all written when nothing is said", () => {
    const sample = makeLineSampler(0)
    for (let at = 0; at < 1000; at++) assert.strictEqual(sample(at), 0)
  })

  it("are written so often each second, and the rest is counted", () => {
    const sample = makeLineSampler(2)
    const seconds = [5000, 5000, 5001, 5999, 6000, 6001, 6002, 9000]
    assert.deepStrictEqual(seconds.map(sample), [0, 0, undefined, undefined, 2, 0, undefined, 1])
  })

  it.live("are left out of a service's log, and failures never are", () =>
    Effect.gen(function* () {
      const { lines, url } = yield* startService({ AI_TICKET_ACCESS_LOG_PER_SECOND: "1" })
      const began = performance.now()
      for (let at = 0; at < 30; at++) yield* sendEvent(url, { content: "p" })
      for (let at = 0; at < 10; at++) yield* send(url, { path: "/nowhere" })
      const seconds = Math.ceil((performance.now() - began) / 1000) + 1
      const told = lines.map((line) => JSON.parse(line)).filter(({ message }) => message === "request")
      const successes = told.filter(({ status }) => status === 200)
      assert.isAtLeast(successes.length, 1)
      assert.isAtMost(successes.length, seconds)
      assert.strictEqual(told.filter(({ status }) => status === 404).length, 10)
    })
  )
})
