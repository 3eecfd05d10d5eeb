import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { generate, get, post, send, withSimulator } from "./RawHttp.ts"

const fast = { tokensPerSecond: 0 } as const

describe("faults on the wire", () => {
  it.live("are statuses, with the real body where there is one", () =>
    withSimulator(
      { ...fast, faults: ["503:retry-after=2,429:retry-after-date=60,401,502:body=%3Chtml%3E,200:body={}"] },
      (simulator) =>
        Effect.gen(function* () {
          const busy = yield* generate(simulator)
          assert.deepStrictEqual([busy.status, busy.headers.get("retry-after")], [503, "2"])
          assert.include(busy.body, "Server is busy")
          assert.isFalse(busy.headers.has("content-length"))
          const limited = yield* generate(simulator)
          assert.strictEqual(limited.status, 429)
          const wait =
            Date.parse(limited.headers.get("retry-after") ?? "") - Date.parse(limited.headers.get("date") ?? "")
          assert.strictEqual(wait, 60_000)
          assert.include((yield* generate(simulator)).body, "Unauthorized")
          const gateway = yield* generate(simulator)
          assert.deepStrictEqual([gateway.status, gateway.body], [502, "<html>"])
          assert.strictEqual((yield* generate(simulator)).body, "{}")
          const served = yield* generate(simulator)
          assert.include(served.body, "Simulated answer")
        })
    )
  )

  it.live("are bodies that aren't what they should be", () =>
    withSimulator({ ...fast, faults: ["malformed,shape,null,empty,chat/empty,completion/empty"] }, (simulator) =>
      Effect.gen(function* () {
        const chat = yield* post(simulator, "/v1/chat/completions", { messages: [] })
        assert.strictEqual(JSON.parse(chat.body).choices[0].message.content, "")
        const completion = yield* post(simulator, "/v1/completions", { prompt: "" })
        assert.strictEqual(JSON.parse(completion.body).choices[0].text, "")
        const malformed = yield* generate(simulator)
        assert.strictEqual(malformed.headers.get("content-length"), String(malformed.body.length))
        assert.match(malformed.body, /^\{"results": \[\{"text": "[^"]*$/)
        assert.isUndefined(JSON.parse((yield* generate(simulator)).body).results)
        assert.strictEqual((yield* generate(simulator)).body, "null")
        assert.strictEqual(JSON.parse((yield* generate(simulator)).body).results[0].text, "")
      })
    )
  )

  it.live("are connections that break: at once, silently, or half way", () =>
    withSimulator({ ...fast, faults: ["reset,close,cut"] }, (simulator) =>
      Effect.gen(function* () {
        const reset = yield* generate(simulator)
        assert.deepStrictEqual([reset.bytes, reset.ended], ["", "ECONNRESET"])
        const closed = yield* generate(simulator)
        assert.deepStrictEqual([closed.bytes, closed.ended], ["", "end"])
        const cut = yield* generate(simulator)
        assert.strictEqual(cut.status, 200)
        assert.strictEqual(cut.ended, "ECONNRESET")
        const promised = Number(cut.headers.get("content-length"))
        assert.isAbove(cut.body.length, 0)
        assert.isBelow(cut.body.length, promised)
      })
    )
  )

  it.live("are answers that never come, for as long as the client stays", () =>
    withSimulator({ ...fast, handlers: 1, faults: ["stall"] }, (simulator) =>
      Effect.gen(function* () {
        const stalled = yield* Effect.forkChild(generate(simulator), { startImmediately: true })
        yield* simulator.until(({ totals }) => totals.outcomes.fault === 1)
        assert.isUndefined(stalled.pollUnsafe())
        yield* Fiber.interrupt(stalled)
        assert.strictEqual((yield* get(simulator, "/api/v1/model")).status, 200)
      })
    )
  )

  it.live("are answers that come slowly or late", () =>
    withSimulator({ ...fast, faults: ["drip:every=5:bytes=20,ok:delay=60"] }, (simulator) =>
      Effect.gen(function* () {
        const plain = yield* withSimulator(fast, (other) => generate(other))
        const [took, dripped] = yield* Effect.timed(generate(simulator))
        assert.strictEqual(dripped.body, plain.body)
        assert.strictEqual(dripped.ended, "end")
        assert.isAtLeast(Duration.toMillis(took), 5 * Math.floor(plain.body.length / 20))
        yield* generate(simulator)
        const [, late] = (yield* simulator.ledger).generations
        assert.isAtLeast((late?.startedAt ?? 0) - (late?.receivedAt ?? 0), 55)
        assert.strictEqual(late?.outcome, "completed")
      })
    )
  )

  it.live("don't take the model's turn, and leave everything but generations alone", () =>
    withSimulator({ ...fast, faults: ["503*"] }, (simulator) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* generate(simulator)).status, 503)
        const report = JSON.parse((yield* get(simulator, "/api/extra/perf")).body)
        assert.deepStrictEqual([report.total_gens, report.idle], [0, 1])
        assert.strictEqual((yield* send(simulator, "POST", "/api/extra/abort")).status, 200)
      })
    )
  )
})
