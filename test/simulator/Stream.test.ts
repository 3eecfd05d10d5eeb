import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { abort, generate, generateStream, get, inLine, post, running, slow, withSimulator } from "./RawHttp.ts"
import { openStream, textsIn } from "./RawStream.ts"

const fast = { tokensPerSecond: 0 } as const
const native = "/api/extra/generate/stream"

describe("a stream", () => {
  it.live("comes in the same events every time, several tokens in one when they are made faster than sent", () =>
    withSimulator({ tokensPerSecond: 200 }, (simulator) =>
      Effect.gen(function* () {
        const events = Effect.map(generateStream(simulator, { max_length: 18 }), ({ body }) => textsIn(body))
        const once = yield* events
        assert.deepStrictEqual(once, yield* events)
        assert.strictEqual(once.length, 6)
        const single = yield* withSimulator({ tokensPerSecond: 100 }, (other) =>
          generateStream(other, { max_length: 18 })
        )
        assert.deepStrictEqual(textsIn(single.body).join(""), once.join(""))
        assert.strictEqual(textsIn(single.body).length, 10)
      })
    )
  )

  it.live("is the text that would have come whole, and is told apart in the ledger", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        const whole = yield* generate(simulator, { max_length: 30 })
        const { body } = yield* generateStream(simulator, { max_length: 30 })
        assert.strictEqual(textsIn(body).join(""), JSON.parse(whole.body).results[0].text)
        const { generations } = yield* simulator.ledger
        assert.deepStrictEqual(
          generations.map(({ outcome, stream, tokens, written }) => ({ outcome, stream, tokens, written })),
          [
            { outcome: "completed", stream: false, tokens: 30, written: 0 },
            { outcome: "completed", stream: true, tokens: 30, written: 30 }
          ]
        )
      })
    )
  )

  it.live("sends nothing in the line, its head at its turn, and no text while the prompt is read", () =>
    withSimulator({ tokensPerSecond: 0, promptDelayMillis: 60 }, (simulator) =>
      Effect.gen(function* () {
        yield* Effect.forkChild(generate(simulator, { genkey: "first" }), { startImmediately: true })
        yield* running(simulator, "first")
        const stream = yield* openStream(simulator, native, { prompt: "x", genkey: "second", max_length: 4 })
        yield* inLine(simulator, 1)
        assert.deepStrictEqual(stream.chunks(), [])
        yield* running(simulator, "second")
        yield* stream.until((received) => received.endsWith("\r\n\r\n"))
        assert.strictEqual((yield* simulator.ledger).generations[1]?.outcome, "running")
        const { body } = yield* stream.ended
        assert.match(body, /^event: message\n/)
        const [, record] = (yield* simulator.ledger).generations
        assert.isAtLeast((record?.endedAt ?? 0) - (record?.startedAt ?? 0), 55)
      }).pipe(Effect.scoped)
    )
  )

  it.live("isn't what a request gets that doesn't ask for one", () =>
    withSimulator(fast, (simulator) =>
      Effect.gen(function* () {
        const calls: ReadonlyArray<readonly [string, object]> = [
          ["/v1/chat/completions", { messages: [], stream: false }],
          ["/v1/completions", { prompt: "", stream: null }],
          ["/api/v1/generate", { prompt: "", stream: true }]
        ]
        for (const [path, body] of calls) {
          const answer = yield* post(simulator, path, body)
          assert.strictEqual(answer.headers.get("content-type"), "application/json", path)
        }
      })
    )
  )

  it.live("shows its text so far to those who know its key, while it runs", () =>
    withSimulator({ tokensPerSecond: 100 }, (simulator) =>
      Effect.gen(function* () {
        const fields = { prompt: "x", max_length: 2000, ban_eos_token: true }
        const partial = (ask: Effect.Effect<{ readonly body: string }>) =>
          Effect.map(ask, ({ body }): string => JSON.parse(body).results[0].text)
        const check = (genkey: string) => partial(post(simulator, "/api/extra/generate/check", { genkey }))

        const stream = yield* openStream(simulator, native, { ...fields, genkey: "a" })
        const seen = yield* stream.until((received) => textsIn(received).length > 1)
        const text = textsIn(seen).join("")
        assert.isTrue((yield* check("a")).startsWith(text))
        assert.strictEqual(yield* check("b"), "")
        yield* abort(simulator, "a")
        assert.strictEqual(textsIn((yield* stream.ended).body).join(""), yield* check("a"))

        const keyless = yield* openStream(simulator, native, fields)
        const begun = yield* keyless.until((received) => textsIn(received).length > 1)
        const answer = yield* partial(get(simulator, "/api/extra/generate/check"))
        assert.isTrue(answer.startsWith(textsIn(begun).join("")))
      }).pipe(Effect.scoped)
    )
  )

  it.live("is turned away like any other request when the line is full", () =>
    withSimulator({ ...slow, waiting: 0 }, (simulator) =>
      Effect.gen(function* () {
        const first = yield* Effect.forkChild(generate(simulator, { genkey: "a" }), { startImmediately: true })
        yield* running(simulator, "a")
        const busy = yield* generateStream(simulator)
        assert.strictEqual(busy.status, 503)
        assert.deepStrictEqual(
          busy.body,
          '{"detail":{"msg":"Server is busy; please try again later.","type":"service_unavailable"}}'
        )
        yield* Fiber.interrupt(first)
      })
    )
  )

  it.live("ends with the simulator, whether it runs, stalls or waits", () =>
    Effect.gen(function* () {
      const streams = yield* withSimulator({ ...slow, faults: ["completion/stall:after=0"] }, (simulator) =>
        Effect.gen(function* () {
          const silent = yield* openStream(simulator, native, { prompt: 5 })
          yield* silent.until((received) => received.endsWith("\r\n\r\n"))
          const runs = yield* openStream(simulator, native, { prompt: "x", genkey: "a" })
          yield* running(simulator, "a")
          const waits = yield* openStream(simulator, "/v1/completions", { prompt: "x", stream: true })
          yield* inLine(simulator, 1)
          return [silent, runs, waits]
        })
      )
      const answers = yield* Effect.forEach(streams, ({ ended }) => ended)
      assert.deepStrictEqual(
        answers.map(({ body }) => body),
        ["", "", ""]
      )
    }).pipe(Effect.scoped)
  )
})
