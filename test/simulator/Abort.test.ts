import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { abort, generate, get, inLine, performance, poll, post, running, slow, withSimulator } from "./RawHttp.ts"

const begin = <A, E>(self: Effect.Effect<A, E>) => Effect.forkChild(self, { startImmediately: true })
const done = { success: "true", done: "true" }
const deferred = { success: "true", done: "false" }
const refused = { success: "false", done: "false" }
const result = (answer: { readonly body: string }) => JSON.parse(answer.body).results[0]

describe("abort", () => {
  it.live("ends the generation with that key, which answers with its partial text", () =>
    withSimulator({ tokensPerSecond: 200 }, (simulator) =>
      Effect.gen(function* () {
        const request = yield* begin(generate(simulator, { genkey: "a", max_length: 2000, ban_eos_token: true }))
        const check = Effect.map(post(simulator, "/api/extra/generate/check", { genkey: "a" }), result)
        const { text } = yield* poll(check, (partial) => partial.text.length > 10)
        assert.deepStrictEqual(yield* abort(simulator, "a"), done)
        const answer = yield* Fiber.join(request)
        assert.strictEqual(answer.status, 200)
        assert.strictEqual(result(answer).finish_reason, "length")
        assert.isTrue(result(answer).text.startsWith(text))
        assert.deepStrictEqual(yield* check, { text: result(answer).text })
        assert.strictEqual((yield* performance(simulator)).stop_reason, 0)
        const { aborts, generations } = yield* simulator.ledger
        assert.strictEqual(generations[0]?.outcome, "aborted")
        assert.strictEqual(generations[0]?.tokens, result(answer).completion_tokens)
        assert.deepInclude(aborts[0], {
          genkey: "a",
          answer: "done",
          matched: true,
          generation: generations[0]?.id ?? null
        })
      })
    )
  )

  it.live.each(["/v1/chat/completions", "/v1/completions"])("works for %s too", (path) =>
    withSimulator(slow, (simulator) =>
      Effect.gen(function* () {
        const body = { prompt: "x", messages: [{ role: "user", content: "x" }], genkey: "a" }
        const request = yield* begin(post(simulator, path, body))
        yield* running(simulator, "a")
        assert.deepStrictEqual(yield* abort(simulator, "a"), done)
        const answer = yield* Fiber.join(request)
        assert.deepStrictEqual([answer.status, JSON.parse(answer.body).choices[0].finish_reason], [200, "length"])
      })
    )
  )

  it.live("is refused for a foreign key when nobody waits, and done for the last key even when idle", () =>
    withSimulator(slow, (simulator) =>
      Effect.gen(function* () {
        const request = yield* begin(generate(simulator, { genkey: "a" }))
        yield* running(simulator, "a")
        assert.deepStrictEqual(yield* abort(simulator, "foreign"), refused)
        assert.deepStrictEqual(yield* abort(simulator, 5), refused)
        assert.deepStrictEqual(yield* abort(simulator, "a"), done)
        yield* Fiber.join(request)
        assert.deepStrictEqual(yield* abort(simulator, "a"), done)
        assert.deepStrictEqual(
          (yield* simulator.ledger).aborts.map(({ answer, genkey, matched }) => [genkey, answer, matched]),
          [
            ["foreign", "refused", false],
            [null, "refused", false],
            ["a", "done", true],
            ["a", "done", false]
          ]
        )
      })
    )
  )

  it.live("remembers one key while somebody waits, and the next request with it ends without a token", () =>
    withSimulator(slow, (simulator) =>
      Effect.gen(function* () {
        const first = yield* begin(generate(simulator, { genkey: "a" }))
        yield* running(simulator, "a")
        const waiting = yield* begin(generate(simulator, { genkey: "b" }))
        yield* inLine(simulator, 1)
        assert.deepStrictEqual(yield* abort(simulator, "forgotten"), deferred)
        assert.deepStrictEqual(yield* abort(simulator, "b"), deferred)
        assert.isUndefined(waiting.pollUnsafe())
        assert.deepStrictEqual(yield* abort(simulator, "a"), done)
        yield* Fiber.join(first)
        const answer = yield* Fiber.join(waiting)
        assert.deepStrictEqual([result(answer).text, result(answer).finish_reason], ["", "length"])
        const { generations } = yield* simulator.ledger
        assert.deepStrictEqual(
          generations.map(({ outcome }) => outcome),
          ["aborted", "discarded"]
        )
        // The memory holds one key, and only once.
        for (const genkey of ["b", "forgotten"]) {
          const again = yield* begin(generate(simulator, { genkey }))
          yield* simulator.until(({ generations }) => generations.at(-1)?.outcome === "running")
          assert.deepStrictEqual(yield* abort(simulator, genkey), done)
          yield* Fiber.join(again)
        }
        assert.strictEqual((yield* simulator.ledger).totals.outcomes.discarded, 1)
      })
    )
  )

  it.live("without a key ends whoever runs, unless somebody waits", () =>
    withSimulator(slow, (simulator) =>
      Effect.gen(function* () {
        const first = yield* begin(generate(simulator, { genkey: "a" }))
        yield* running(simulator, "a")
        assert.deepStrictEqual(yield* abort(simulator), done)
        yield* Fiber.join(first)
        yield* begin(generate(simulator, { genkey: "b" }))
        yield* running(simulator, "b")
        yield* begin(generate(simulator, { genkey: "c" }))
        yield* inLine(simulator, 1)
        assert.deepStrictEqual(yield* abort(simulator), refused)
      })
    )
  )

  it.live("acts only when the prompt is read", () =>
    withSimulator({ tokensPerSecond: 1, promptDelayMillis: 80 }, (simulator) =>
      Effect.gen(function* () {
        const request = yield* begin(generate(simulator, { genkey: "a" }))
        yield* running(simulator, "a")
        assert.deepStrictEqual(yield* abort(simulator, "a"), done)
        assert.strictEqual(result(yield* Fiber.join(request)).text, "")
        const [record] = (yield* simulator.ledger).generations
        assert.isAtLeast((record?.endedAt ?? 0) - (record?.startedAt ?? 0), 75)
        assert.strictEqual(record?.outcome, "aborted")
      })
    )
  )
})

describe("check", () => {
  it.live("tells strangers nothing", () =>
    withSimulator({ tokensPerSecond: 0 }, (simulator) =>
      Effect.gen(function* () {
        const without = Effect.map(get(simulator, "/api/extra/generate/check"), result)
        const withKey = (genkey: string) => Effect.map(post(simulator, "/api/extra/generate/check", { genkey }), result)
        assert.deepStrictEqual(yield* without, { text: "" })
        const { text } = result(yield* generate(simulator, { genkey: "a" }))
        assert.deepStrictEqual(yield* without, { text: "" })
        assert.deepStrictEqual(yield* withKey("b"), { text: "" })
        assert.deepStrictEqual(yield* withKey("a"), { text })
        yield* generate(simulator)
        assert.deepStrictEqual(yield* without, { text })
      })
    )
  )
})
