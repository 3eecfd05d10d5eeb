import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Dialect } from "../../src/simulator/Options.ts"
import type { Simulator } from "../../src/simulator/Simulator.ts"
import { abort, generate, inLine, poll, post, running, slow, withSimulator } from "./RawHttp.ts"
import { openStream, textsIn } from "./RawStream.ts"

const dialects: ReadonlyArray<Dialect> = ["1.76", "1.104"]
const native = "/api/extra/generate/stream"
const endless = { prompt: "Say something", max_length: 2000, ban_eos_token: true }

/** The native stream of some text that was cut off, to the byte. */
const ended = (dialect: Dialect, text: string) => {
  if (dialect === "1.76") return `event: message\ndata: {"token": "${text}", "finish_reason": "length"}\n\n`
  const finish = 'event: message\ndata: {"token": "", "finish_reason": "length"}\n\n'
  return text === "" ? finish : `event: message\ndata: {"token": "${text}", "finish_reason": null}\n\n${finish}`
}

const written = (simulator: Simulator["Service"], genkey: string, tokens: number) =>
  simulator.until(({ generations }) =>
    generations.some((record) => record.genkey === genkey && record.written >= tokens)
  )

const outcome = (simulator: Simulator["Service"], genkey: string, wanted: string) =>
  Effect.map(
    simulator.until(({ generations }) =>
      generations.some((record) => record.genkey === genkey && record.outcome === wanted)
    ),
    ({ generations }) => generations.find((record) => record.genkey === genkey)
  )

describe.each(dialects)("the abort of a stream of %s", (dialect) => {
  it.live.each([native, "/v1/completions", "/v1/chat/completions"])(
    "ends it with what there is, and its end, on %s",
    (path) =>
      withSimulator({ dialect, tokensPerSecond: 200 }, (simulator) =>
        Effect.gen(function* () {
          const asked = { ...endless, messages: [], max_tokens: 2000, stream: true, genkey: "a" }
          const stream = yield* openStream(simulator, path, asked)
          yield* written(simulator, "a", 8)
          assert.deepStrictEqual(yield* abort(simulator, "a"), { success: "true", done: "true" })
          const answer = yield* stream.ended
          assert.strictEqual(answer.ended, "end")
          const reasons = [...answer.body.matchAll(/"finish_reason": "?([a-z]+)/g)].map(([, reason]) => reason)
          assert.deepStrictEqual([...new Set(reasons.slice(0, -1))], ["null"])
          assert.strictEqual(reasons.at(-1), "length")
          assert.strictEqual(answer.body.includes("data: [DONE]"), path !== native)
          const check = yield* post(simulator, "/api/extra/generate/check", { genkey: "a" })
          assert.strictEqual(textsIn(answer.body).join(""), JSON.parse(check.body).results[0].text)
          const [record] = (yield* simulator.ledger).generations
          assert.strictEqual(record?.outcome, "aborted")
          assert.strictEqual(record?.written, record?.tokens)
          assert.isBelow(record?.tokens ?? 2000, 2000)
        }).pipe(Effect.scoped)
      )
  )

  it.live("acts only when the prompt is read, and leaves nothing to send", () =>
    withSimulator({ dialect, tokensPerSecond: 1, promptDelayMillis: 80 }, (simulator) =>
      Effect.gen(function* () {
        const stream = yield* openStream(simulator, native, { ...endless, genkey: "a" })
        yield* running(simulator, "a")
        assert.deepStrictEqual(yield* abort(simulator, "a"), { success: "true", done: "true" })
        assert.strictEqual((yield* stream.ended).body, ended(dialect, ""))
        const record = yield* outcome(simulator, "a", "aborted")
        assert.isAtLeast((record?.endedAt ?? 0) - (record?.startedAt ?? 0), 75)
      }).pipe(Effect.scoped)
    )
  )

  it.live("while it waits gives it the text of the request before it, as if it were its own", () =>
    withSimulator({ dialect, tokensPerSecond: 100 }, (simulator) =>
      Effect.gen(function* () {
        const first = yield* Effect.forkChild(generate(simulator, { ...endless, prompt: "Mine", genkey: "a" }), {
          startImmediately: true
        })
        yield* running(simulator, "a")
        const stream = yield* openStream(simulator, native, { ...endless, prompt: "Yours", genkey: "b" })
        yield* inLine(simulator, 1)
        assert.deepStrictEqual(yield* abort(simulator, "b"), { success: "true", done: "false" })
        const check = Effect.map(
          post(simulator, "/api/extra/generate/check", { genkey: "a" }),
          ({ body }): string => JSON.parse(body).results[0].text
        )
        yield* poll(check, (text) => text.includes("Mine"))
        assert.deepStrictEqual(stream.chunks(), [])
        assert.deepStrictEqual(yield* abort(simulator, "a"), { success: "true", done: "true" })
        const { text } = JSON.parse((yield* Fiber.join(first)).body).results[0]
        assert.strictEqual((yield* stream.ended).body, ended(dialect, text))
        const [one, other] = (yield* simulator.ledger).generations
        assert.deepInclude(other, { outcome: "discarded", tokens: 0, written: one?.tokens ?? 0 })
      }).pipe(Effect.scoped)
    )
  )
})

describe("a client that leaves its stream", () => {
  it.live("is noticed when the next tokens are written, and the model goes to the next in line", () =>
    withSimulator({ tokensPerSecond: 50 }, (simulator) =>
      Effect.gen(function* () {
        const stream = yield* openStream(simulator, native, { ...endless, genkey: "gone" })
        yield* stream.until((received) => textsIn(received).length > 2)
        yield* stream.leave
        assert.strictEqual((yield* generate(simulator, { genkey: "next", max_length: 1 })).status, 200)
        const [gone, next] = (yield* simulator.ledger).generations
        assert.strictEqual(gone?.outcome, "disconnected")
        assert.isBelow(gone?.tokens ?? 2000, 2000)
        assert.isAtMost(gone?.written ?? 2000, gone?.tokens ?? 0)
        assert.isAtLeast(next?.startedAt ?? 0, gone?.endedAt ?? Number.POSITIVE_INFINITY)
      }).pipe(Effect.scoped)
    )
  )

  it.live("isn't noticed as long as there is nothing to write", () =>
    withSimulator(slow, (simulator) =>
      Effect.gen(function* () {
        const stream = yield* openStream(simulator, native, { ...endless, genkey: "gone" })
        yield* stream.until((received) => received.endsWith("\r\n\r\n"))
        yield* stream.leave
        yield* Effect.forkChild(generate(simulator, { genkey: "next" }), { startImmediately: true })
        yield* inLine(simulator, 1)
        assert.strictEqual((yield* simulator.ledger).generations[0]?.outcome, "running")
        assert.deepStrictEqual(yield* abort(simulator, "gone"), { success: "true", done: "true" })
        yield* running(simulator, "next")
        assert.strictEqual((yield* simulator.ledger).generations[0]?.outcome, "aborted")
      }).pipe(Effect.scoped)
    )
  )

  it.live("isn't noticed while the prompt is read", () =>
    withSimulator({ tokensPerSecond: 200, promptDelayMillis: 80 }, (simulator) =>
      Effect.gen(function* () {
        const stream = yield* openStream(simulator, native, { ...endless, genkey: "gone" })
        yield* stream.until((received) => received.endsWith("\r\n\r\n"))
        yield* stream.leave
        const record = yield* outcome(simulator, "gone", "disconnected")
        assert.strictEqual(record?.written, 0)
        assert.isAtLeast((record?.endedAt ?? 0) - (record?.startedAt ?? 0), 75)
      }).pipe(Effect.scoped)
    )
  )

  it.live("isn't noticed in the line: its turn comes, and goes with the first token", () =>
    withSimulator({ tokensPerSecond: 100 }, (simulator) =>
      Effect.gen(function* () {
        yield* Effect.forkChild(generate(simulator, { ...endless, genkey: "first" }), { startImmediately: true })
        yield* running(simulator, "first")
        const stream = yield* openStream(simulator, native, { ...endless, genkey: "gone" })
        yield* inLine(simulator, 1)
        yield* stream.leave
        yield* abort(simulator, "first")
        const record = yield* outcome(simulator, "gone", "disconnected")
        assert.isNumber(record?.startedAt)
        assert.strictEqual(record?.written, 0)
        assert.isAbove(record?.tokens ?? 0, 0)
      }).pipe(Effect.scoped)
    )
  )
})
