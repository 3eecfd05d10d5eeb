import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Dialect } from "../../src/simulator/Options.ts"
import { generate, get, performance, post, withSimulator } from "./RawHttp.ts"

const dialects: ReadonlyArray<Dialect> = ["1.76", "1.104"]
const fast = { tokensPerSecond: 0 } as const
const chat = { messages: [{ role: "user", content: "Hello there" }] }

describe.each(dialects)("the wire of %s", (dialect) => {
  const options = { ...fast, dialect }
  const old = dialect === "1.76"
  const usage = (prompt_tokens: number, completion_tokens: number) =>
    old
      ? { prompt_tokens: 100, completion_tokens: 100, total_tokens: 200 }
      : { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }

  it.live("answers generate", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const answer = yield* post(simulator, "/api/v1/generate", { prompt: "Hi", max_length: 5 })
        assert.strictEqual(answer.status, 200)
        assert.match(answer.bytes, /^HTTP\/1\.0 200 OK\r\n/)
        assert.strictEqual(answer.headers.get("server"), old ? "ConcedoLlamaForKoboldServer" : "KoboldCppServer 1")
        assert.strictEqual(answer.headers.get("connection"), "close")
        assert.strictEqual(answer.headers.get("content-type"), "application/json")
        assert.strictEqual(answer.headers.get("content-length"), String(Buffer.byteLength(answer.body)))
        assert.strictEqual(answer.ended, "end")
        const text = "Simulated answer to Hi:"
        assert.deepStrictEqual(JSON.parse(answer.body), {
          results: [
            old
              ? { text, finish_reason: "length" }
              : {
                  text,
                  tool_calls: [],
                  finish_reason: "length",
                  logprobs: null,
                  prompt_tokens: 1,
                  completion_tokens: 5
                }
          ]
        })
      })
    )
  )

  it.live("answers chat", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const answer = JSON.parse((yield* post(simulator, "/v1/chat/completions", { ...chat, max_tokens: 6 })).body)
        assert.isNumber(answer.created)
        const { created: _, ...rest } = answer
        assert.deepStrictEqual(rest, {
          id: "chatcmpl-A1",
          object: "chat.completion",
          model: "koboldcpp/simulated",
          usage: usage(4, 6),
          choices: [
            {
              index: 0,
              message: { role: "assistant", content: "Simulated answer to Hello there:", tool_calls: [] },
              finish_reason: "length",
              ...(old ? {} : { logprobs: null })
            }
          ]
        })
      })
    )
  )

  it.live("answers completions", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const answer = JSON.parse((yield* post(simulator, "/v1/completions", { prompt: "Hi", max_tokens: 5 })).body)
        assert.strictEqual(answer.object, "text_completion")
        assert.deepStrictEqual(answer.usage, usage(1, 5))
        assert.deepStrictEqual(answer.choices, [
          { text: "Simulated answer to Hi:", index: 0, finish_reason: "length", logprobs: null }
        ])
      })
    )
  )

  it.live("says stop only at the end of the text", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const reason = (fields: object) =>
          Effect.map(post(simulator, "/v1/chat/completions", { ...chat, ...fields }), ({ body }) => {
            const [choice] = JSON.parse(body).choices
            return [choice.finish_reason, choice.message.content]
          })
        assert.strictEqual((yield* reason({ max_tokens: 150 }))[0], "stop")
        assert.strictEqual((yield* performance(simulator)).stop_reason, 1)
        const kept = "Simulated answer to Hello"
        const stopped = yield* reason({ max_tokens: 150, stop: ["Hello"] })
        assert.deepStrictEqual(stopped, ["length", old ? kept : "Simulated answer to "])
        assert.strictEqual((yield* performance(simulator)).stop_reason, 2)
        assert.deepStrictEqual(yield* reason({ stop: "Hello", trim_stop: old }), [
          "length",
          old ? "Simulated answer to " : kept
        ])
        yield* reason({ max_tokens: 3 })
        assert.strictEqual((yield* performance(simulator)).stop_reason, 0)
      })
    )
  )

  it.live("reads the limit in its own way", () =>
    withSimulator({ ...options, contextLength: 256 }, (simulator) =>
      Effect.gen(function* () {
        const tokens = (path: string, fields: object) =>
          Effect.gen(function* () {
            const { body } = yield* post(simulator, path, { ban_eos_token: true, prompt: "Hi", ...chat, ...fields })
            return body === "null" ? null : (yield* performance(simulator)).last_token_count
          })
        assert.strictEqual(yield* tokens("/api/v1/generate", {}), old ? 180 : 240)
        assert.strictEqual(yield* tokens("/api/v1/generate", { max_length: 1000 }), 240)
        assert.strictEqual(yield* tokens("/api/v1/generate", { max_length: -5 }), 0)
        assert.strictEqual(yield* tokens("/api/v1/generate", { max_length: "8" }), old ? null : 8)
        assert.strictEqual(yield* tokens("/api/v1/generate", { max_length: 8.5 }), old ? null : 8)
        assert.strictEqual(yield* tokens("/v1/chat/completions", { max_completion_tokens: 9 }), old ? 180 : 9)
      })
    )
  )

  it.live("tells about itself", () =>
    withSimulator({ ...options, contextLength: 2048 }, (simulator) =>
      Effect.gen(function* () {
        const ask = (path: string) => Effect.map(get(simulator, path), ({ body }) => JSON.parse(body))
        assert.deepStrictEqual(yield* ask("/api/v1/model"), { result: "koboldcpp/simulated" })
        assert.deepStrictEqual(yield* ask("/api/v1/info/version"), { result: "1.2.5" })
        const version = yield* ask("/api/extra/version")
        assert.deepStrictEqual([version.result, version.version, version.protected], ["KoboldCpp", dialect, false])
        assert.deepStrictEqual(yield* ask("/api/extra/true_max_context_length"), { value: 2048 })
        assert.deepStrictEqual(yield* ask("/api/v1/config/max_context_length"), { value: 2048 })
        assert.deepStrictEqual(yield* ask("/api/v1/config/max_length"), { value: old ? 180 : 896 })
        assert.strictEqual((yield* ask("/v1/models")).data[0].id, "koboldcpp/simulated")
        const before = yield* ask("/api/extra/perf")
        assert.deepStrictEqual(
          [before.idle, before.queue, before.total_gens, before.stop_reason, before.last_token_count],
          [1, 0, 0, -1, 0]
        )
        yield* generate(simulator, { max_length: 5 })
        const after = yield* ask("/api/extra/perf")
        assert.deepStrictEqual([after.total_gens, after.stop_reason, after.last_token_count], [1, 0, 5])
        assert.isAbove(after.uptime, 0)
        const count = yield* post(simulator, "/api/extra/tokencount", { prompt: "one two" })
        assert.strictEqual(JSON.parse(count.body).value, 2)
      })
    )
  )

  it.live("takes any prefix and slashes at the end", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const paths = ["/foo/api/v1/generate", "//api/v1/generate/", "/api/latest/generate", "/api/v1/chat/completions"]
        for (const path of paths) {
          const { status } = yield* post(simulator, path, { prompt: "Hi", ...chat, max_length: 3 })
          assert.strictEqual(status, 200, path)
        }
        assert.strictEqual((yield* get(simulator, "/x/api/v1/model/")).status, 200)
        assert.strictEqual((yield* get(simulator, "/api/v1/model?x=1")).status, old ? 404 : 200)
        assert.strictEqual((yield* post(simulator, "/api/v1/generate?x=1", { prompt: "Hi" })).status, 404)
      })
    )
  )

  it.live("gives the same text for the same prompt, over and over", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const body = Effect.map(generate(simulator, { max_length: 50 }), (answer) => answer.body)
        assert.strictEqual(yield* body, yield* body)
      })
    )
  )
})

describe("the context", () => {
  it.live("cuts a prompt that is too long, without a word", () =>
    withSimulator({ ...fast, contextLength: 256 }, (simulator) =>
      Effect.gen(function* () {
        const answer = yield* generate(simulator, { prompt: "word ".repeat(1000), max_length: 16 })
        assert.strictEqual(JSON.parse(answer.body).results[0].prompt_tokens, 240)
      })
    )
  )
})
