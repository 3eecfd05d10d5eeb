import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Simulator } from "../../src/simulator/Simulator.ts"
import { abort, generate, get, post, running, send, withSimulator } from "./RawHttp.ts"

const fast = { tokensPerSecond: 0 } as const

describe("the ledger", () => {
  it.live("tells what was asked for and what became of it", () =>
    withSimulator({ ...fast, faults: ["completion/503"] }, (simulator) =>
      Effect.gen(function* () {
        yield* generate(simulator, { genkey: "a", temperature: 0.5, max_length: 7, stop_sequence: ["x"] })
        yield* post(simulator, "/v1/completions", { prompt: "p" })
        yield* post(simulator, "/api/v1/generate", "{")
        yield* abort(simulator, "a")
        const ledger = JSON.parse((yield* get(simulator, "/simulator/ledger")).body)
        assert.deepStrictEqual(ledger, JSON.parse(JSON.stringify(yield* simulator.ledger)))
        const [served, faulty, unread] = ledger.generations
        assert.deepInclude(served, {
          endpoint: "generate",
          path: "/api/v1/generate",
          genkey: "a",
          prompt: "Say something",
          promptLength: 13,
          maxTokens: 7,
          outcome: "completed",
          reason: null,
          tokens: 7
        })
        assert.deepInclude(served.parameters, { temperature: 0.5, stop_sequence: ["x"] })
        assert.isTrue(served.receivedAt <= served.startedAt && served.startedAt <= served.endedAt)
        assert.deepInclude(faulty, {
          endpoint: "completion",
          outcome: "fault",
          reason: "completion/503",
          startedAt: null
        })
        assert.deepInclude(unread, { genkey: null, prompt: null, outcome: "refused", reason: "bad input" })
        assert.deepStrictEqual(ledger.totals, {
          requests: 4,
          generations: 3,
          aborts: 1,
          tokens: 7,
          outcomes: { completed: 1, fault: 1, refused: 1 }
        })
      })
    )
  )

  it.live("keeps the last few, a part of long prompts, and running totals", () =>
    withSimulator({ ...fast, ledgerSize: 3 }, (simulator) =>
      Effect.gen(function* () {
        for (const n of [1, 2, 3, 4]) {
          yield* generate(simulator, { genkey: `${n}`, max_length: 2 })
          yield* abort(simulator, `${n}`)
        }
        yield* generate(simulator, {
          genkey: "long",
          prompt: "x".repeat(100_000),
          junk: "y".repeat(2000),
          max_length: 2
        })
        const { aborts, generations, totals } = yield* simulator.ledger
        assert.deepStrictEqual(
          generations.map(({ genkey }) => genkey),
          ["3", "4", "long"]
        )
        assert.deepStrictEqual(
          aborts.map(({ genkey }) => genkey),
          ["2", "3", "4"]
        )
        assert.strictEqual(generations[2]?.prompt?.length, 16_384)
        assert.strictEqual(generations[2]?.promptLength, 100_000)
        assert.isFalse("junk" in (generations[2]?.parameters ?? {}))
        assert.deepStrictEqual([totals.generations, totals.aborts, totals.tokens], [5, 4, 10])
      })
    )
  )

  it.live("forgets what was under way when it is emptied", () =>
    withSimulator({ tokensPerSecond: 1000 }, (simulator) =>
      Effect.gen(function* () {
        const request = yield* Effect.forkChild(generate(simulator, { genkey: "old" }), { startImmediately: true })
        yield* running(simulator, "old")
        yield* simulator.clearLedger
        yield* Fiber.join(request)
        assert.deepStrictEqual((yield* simulator.ledger).totals.outcomes, {})
      })
    )
  )

  it.live("can be emptied", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        yield* generate(simulator)
        assert.strictEqual((yield* send(simulator, "DELETE", "/simulator/ledger")).status, 200)
        const { generations, totals } = yield* simulator.ledger
        assert.deepStrictEqual([generations, totals.requests, totals.outcomes], [[], 0, {}])
        yield* generate(simulator)
        yield* simulator.clearLedger
        assert.strictEqual((yield* simulator.ledger).totals.generations, 0)
      })
    )
  )
})

describe("the script of faults", () => {
  it.live("can be replaced, read and dropped over HTTP", () =>
    withSimulator({ ...fast, faults: ["reset*"] }, (simulator) =>
      Effect.gen(function* () {
        const set = yield* post(simulator, "/simulator/faults", { faults: ["503*2", "generate/null"] })
        assert.deepStrictEqual(JSON.parse(set.body), { faults: ["503*2", "generate/null"] })
        assert.strictEqual((yield* generate(simulator)).body, "null")
        assert.strictEqual((yield* generate(simulator)).status, 503)
        const left = yield* get(simulator, "/simulator/faults")
        assert.deepStrictEqual(JSON.parse(left.body), { faults: ["503"] })
        yield* send(simulator, "DELETE", "/simulator/faults")
        assert.strictEqual((yield* generate(simulator)).status, 200)
      })
    )
  )

  it.live("is left as it was by one that can't be read", () =>
    withSimulator({ ...fast, faults: ["503*"] }, (simulator) =>
      Effect.gen(function* () {
        const wrong = yield* post(simulator, "/simulator/faults", { faults: ["explode"] })
        assert.strictEqual(wrong.status, 400)
        assert.match(JSON.parse(wrong.body).error, /^The fault "explode" is not understood: [^\n]*\.$/)
        assert.strictEqual((yield* post(simulator, "/simulator/faults", "{")).status, 400)
        assert.strictEqual((yield* get(simulator, "/simulator/nope")).status, 404)
        assert.strictEqual((yield* generate(simulator)).status, 503)
      })
    )
  )

  it.live("can be set in the process, and its mistakes are failures", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        yield* simulator.setFaults(["503@50%"], 7)
        const statuses = Effect.forEach(Array.from({ length: 12 }), () =>
          Effect.map(generate(simulator), ({ status }) => status)
        )
        const first = yield* statuses
        yield* simulator.setFaults(["503@50%"], 7)
        assert.deepStrictEqual(yield* statuses, first)
        assert.sameMembers([...new Set(first)], [200, 503])
        assert.isTrue(Exit.isFailure(yield* Effect.exit(simulator.setFaults(["explode"]))))
      })
    )
  )
})

describe("the options", () => {
  it.live("are refused in a sentence", () =>
    Effect.gen(function* () {
      const build = (options: Parameters<typeof Simulator.layer>[0]) =>
        Effect.flip(Effect.provide(Effect.void, Simulator.layer(options)))
      assert.include((yield* build({ faults: ["explode"] })).message, 'The fault "explode" is not understood')
      assert.include((yield* build({ tokensPerSecond: -1 })).message, "tokensPerSecond")
    })
  )

  it.live("name a port that is taken", () =>
    withSimulator(fast, ({ port }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.provide(Effect.void, Simulator.layer({ port })))
        assert.strictEqual(error.message, `The simulator cannot listen on 127.0.0.1, port ${port}: EADDRINUSE.`)
      })
    )
  )
})
