import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  abort,
  exchange,
  generate,
  get,
  inLine,
  performance,
  poll,
  post,
  running,
  slow,
  withSimulator
} from "./RawHttp.ts"

const begin = <A, E>(self: Effect.Effect<A, E>) => Effect.forkChild(self, { startImmediately: true })
const busyBody = '{"detail":{"msg":"Server is busy; please try again later.","type":"service_unavailable"}}'

describe("one generation at a time", () => {
  it.live("lets six wait and turns the eighth away at once", () =>
    withSimulator(slow, (simulator) =>
      Effect.gen(function* () {
        yield* begin(generate(simulator, { genkey: "0" }))
        yield* running(simulator, "0")
        const line = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => begin(generate(simulator, { genkey: `${n}` })))
        yield* inLine(simulator, 6)
        const eighth = yield* generate(simulator)
        assert.deepStrictEqual([eighth.status, eighth.body], [503, busyBody])
        assert.isFalse(eighth.headers.has("content-length"))
        assert.isFalse(eighth.headers.has("retry-after"))
        for (const n of [0, 1, 2, 3, 4, 5, 6]) {
          yield* running(simulator, `${n}`)
          assert.deepStrictEqual(yield* abort(simulator, `${n}`), { success: "true", done: "true" })
        }
        const answers = yield* Effect.forEach(line, Fiber.join)
        assert.deepStrictEqual(
          answers.map(({ status }) => status),
          [200, 200, 200, 200, 200, 200]
        )
        const { idle, queue } = yield* poll(performance(simulator), (report) => report.idle === 1)
        assert.deepStrictEqual([idle, queue], [1, 0])
      })
    )
  )

  it.live("answers everything else while it is busy", () =>
    withSimulator({ ...slow, waiting: 1 }, (simulator) =>
      Effect.gen(function* () {
        yield* begin(generate(simulator, { genkey: "a" }))
        yield* running(simulator, "a")
        yield* begin(generate(simulator, { genkey: "b" }))
        const report = yield* inLine(simulator, 1)
        assert.strictEqual(report.idle, 0)
        assert.strictEqual((yield* get(simulator, "/api/v1/model")).status, 200)
        assert.strictEqual((yield* post(simulator, "/api/extra/tokencount", { prompt: "x" })).status, 200)
        assert.strictEqual((yield* post(simulator, "/api/extra/generate/check", { genkey: "a" })).status, 200)
      })
    )
  )

  it.live("keeps the model a little longer than its answer when there is no line", () =>
    withSimulator({ tokensPerSecond: 0, waiting: 0 }, (simulator) =>
      Effect.gen(function* () {
        const backToBack = Effect.andThen(generate(simulator), generate(simulator))
        const { body } = yield* poll(backToBack, ({ status }) => status === 503)
        assert.strictEqual(body, busyBody)
        yield* poll(performance(simulator), ({ idle }) => idle === 1)
        assert.strictEqual((yield* generate(simulator)).status, 200)
      })
    )
  )

  it.live("keeps its pace", () =>
    withSimulator({ tokensPerSecond: 200, promptDelayMillis: 60 }, (simulator) =>
      Effect.gen(function* () {
        yield* generate(simulator, { max_length: 20 })
        const [record] = (yield* simulator.ledger).generations
        assert.isAtLeast((record?.endedAt ?? 0) - (record?.startedAt ?? 0), 155)
      })
    )
  )
})

describe("a client that leaves", () => {
  it.live("isn't noticed: its generation runs to the end, and everyone waits", () =>
    withSimulator({ tokensPerSecond: 100 }, (simulator) =>
      Effect.gen(function* () {
        const leaving = yield* begin(generate(simulator, { genkey: "gone", max_length: 20 }))
        yield* running(simulator, "gone")
        yield* Fiber.interrupt(leaving)
        yield* generate(simulator, { genkey: "next", max_length: 1 })
        const { generations } = yield* simulator.ledger
        const [gone, next] = generations
        assert.deepStrictEqual([gone?.genkey, gone?.outcome, gone?.tokens], ["gone", "completed", 20])
        assert.isAtLeast(next?.startedAt ?? 0, gone?.endedAt ?? Number.POSITIVE_INFINITY)
      })
    )
  )

  it.live("isn't noticed in the line either", () =>
    withSimulator({ tokensPerSecond: 100 }, (simulator) =>
      Effect.gen(function* () {
        yield* begin(generate(simulator, { genkey: "first", max_length: 1000, ban_eos_token: true }))
        yield* running(simulator, "first")
        const leaving = yield* begin(generate(simulator, { genkey: "gone", max_length: 10 }))
        yield* inLine(simulator, 1)
        yield* Fiber.interrupt(leaving)
        yield* abort(simulator, "first")
        const { generations } = yield* simulator.until(({ totals }) => totals.outcomes.completed === 1)
        assert.deepStrictEqual([generations[1]?.genkey, generations[1]?.tokens], ["gone", 10])
      })
    )
  )

  it.live("frees its handler if it never sent a request", () =>
    withSimulator({ tokensPerSecond: 0, handlers: 1 }, (simulator) =>
      Effect.gen(function* () {
        const idle = yield* begin(exchange(simulator, "POST /api/v1/gen"))
        const next = yield* begin(get(simulator, "/api/v1/model"))
        yield* Fiber.interrupt(idle)
        assert.strictEqual((yield* Fiber.join(next)).status, 200)
      })
    )
  )
})

describe("the handlers", () => {
  it.live("leave one connection too many hanging, GETs included", () =>
    withSimulator({ tokensPerSecond: 200, handlers: 1 }, (simulator) =>
      Effect.gen(function* () {
        yield* begin(generate(simulator, { genkey: "a", max_length: 20 }))
        yield* running(simulator, "a")
        yield* get(simulator, "/api/v1/model")
        assert.strictEqual((yield* simulator.ledger).generations[0]?.outcome, "completed")
      })
    )
  )
})

describe("the end of the layer", () => {
  it.live("ends every connection at once", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const open = yield* withSimulator({ ...slow, handlers: 4, faults: ["completion/stall"] }, (simulator) =>
          Effect.gen(function* () {
            const fibers = yield* Effect.forEach(
              [
                generate(simulator, { genkey: "runs" }),
                generate(simulator, { genkey: "waits" }),
                post(simulator, "/v1/completions", { prompt: "stalls" }),
                exchange(simulator, "GET /never-finished")
              ],
              (call) => Effect.forkScoped(call, { startImmediately: true })
            )
            yield* simulator.until(({ totals }) => totals.requests === 3)
            return fibers
          })
        )
        const answers = yield* Effect.forEach(open, Fiber.join)
        assert.deepStrictEqual(
          answers.map(({ bytes }) => bytes),
          ["", "", "", ""]
        )
      })
    )
  )
})
