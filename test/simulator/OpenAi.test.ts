import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { forked } from "../support/Forked.ts"
import { get, poll, post, withSimulator } from "./RawHttp.ts"
import { openStream } from "./RawStream.ts"

const options = { dialect: "openai", model: "simulated", tokensPerSecond: 0 } as const
const slow = { ...options, tokensPerSecond: 0.5 } as const
const hello = { messages: [{ role: "user", content: "Hello there" }], max_tokens: 6 }
const eventsOf = (body: string): ReadonlyArray<string> => body.split("\n\n").filter((event) => event !== "")
const undated = (body: string) => body.replaceAll(/"created":\d{10}\b/g, '"created":0')

describe("a plain server of OpenAI's protocol", () => {
  it.live("answers a chat and a completion, and counts its tokens", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const chat = yield* post(simulator, "/v1/chat/completions", hello)
        assert.match(chat.bytes, /^HTTP\/1\.1 200 OK\r\nServer: llama\.cpp\r\n/)
        assert.deepInclude(JSON.parse(chat.body), {
          object: "chat.completion",
          model: "simulated",
          choices: [
            {
              ...{ index: 0, finish_reason: "length" },
              message: { role: "assistant", content: "Simulated answer to Hello there:" }
            }
          ],
          usage: { prompt_tokens: 4, completion_tokens: 6, total_tokens: 10 }
        })
        const { choices } = JSON.parse((yield* post(simulator, "/v1/completions", { prompt: "Hi" })).body)
        assert.strictEqual(choices[0].finish_reason, "stop")
      })
    )
  )

  it.live("stops at a stop sequence with that reason", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const { body } = yield* post(simulator, "/v1/completions", { prompt: "Hi", stop: ["answer"] })
        assert.deepInclude(JSON.parse(body).choices[0], { text: "Simulated ", finish_reason: "stop" })
      })
    )
  )

  it.live("streams: the role first, then the text, the reason, the usage for who asks, and the mark", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const asked = { ...hello, stream: true }
        const { body } = yield* post(simulator, "/v1/chat/completions", {
          ...asked,
          stream_options: { include_usage: true }
        })
        const chunk = (choices: string, more = "") =>
          `data: {"choices":[${choices}],"created":0,"id":"chatcmpl-simulated","model":"simulated",` +
          `"object":"chat.completion.chunk"${more}}`
        const choice = (delta: string, reason = "null") => `{"finish_reason":${reason},"index":0,"delta":${delta}}`
        const plain = [
          chunk(choice('{"role":"assistant","content":null}')),
          chunk(choice('{"content":"Simulated answer to"}')),
          chunk(choice('{"content":" Hello there:"}')),
          chunk(choice("{}", '"length"'))
        ]
        const usage = chunk("", ',"usage":{"prompt_tokens":4,"completion_tokens":6,"total_tokens":10}')
        assert.deepStrictEqual(eventsOf(undated(body)), [...plain, usage, "data: [DONE]"])
        const { body: silent } = yield* post(simulator, "/v1/chat/completions", asked)
        assert.deepStrictEqual(eventsOf(undated(silent)), [...plain, "data: [DONE]"])
      })
    )
  )

  it.live("serves as many at once as it has slots, and has the others wait", () =>
    withSimulator({ ...slow, slots: 2 }, (simulator) =>
      Effect.gen(function* () {
        const calls = yield* Effect.forEach([1, 2, 3], () => forked(post(simulator, "/v1/chat/completions", hello)))
        const states = Effect.map(simulator.ledger, ({ generations }) => generations.map(({ outcome }) => outcome))
        yield* poll(states, (all) => all.length === 3 && all.filter((outcome) => outcome === "running").length === 2)
        assert.include(yield* states, "waiting")
        yield* Fiber.interruptAll(calls)
      })
    )
  )

  it.live("stops for a client that leaves: in line, before its first token, and midway in a stream", () =>
    withSimulator({ ...options, tokensPerSecond: 40, slots: 1 }, (simulator) =>
      Effect.gen(function* () {
        const long = { prompt: "Go on", max_tokens: 2000, ignore_eos: true }
        const whole = yield* forked(post(simulator, "/v1/completions", long))
        yield* simulator.until(({ generations }) => generations[0]?.outcome === "running")
        const inLine = yield* forked(post(simulator, "/v1/completions", { ...long, prompt: "In line" }))
        yield* simulator.until(({ generations }) => generations.length === 2)
        yield* Fiber.interrupt(inLine)
        yield* Fiber.interrupt(whole)
        const left = yield* simulator.until(({ totals }) => totals.outcomes.disconnected === 2)
        assert.isBelow(left.generations[0]?.tokens ?? 0, 2000)
        assert.deepInclude(left.generations[1], { startedAt: null, tokens: 0 })
        const stream = yield* openStream(simulator, "/v1/completions", { ...long, stream: true })
        yield* stream.until((received) => received.includes('"text":"Sim'))
        yield* stream.leave
        yield* simulator.until(({ totals }) => totals.outcomes.disconnected === 3)
      })
    )
  )

  it.live("has errors of its own", () =>
    withSimulator({ ...options, password: Redacted.make("open"), faults: ["503", "404", "500"] }, (simulator) =>
      Effect.gen(function* () {
        const key = { authorization: "Bearer open" }
        const chat = (body: unknown, headers = key) =>
          Effect.map(post(simulator, "/v1/chat/completions", body, headers), ({ body, status }) => ({
            ...JSON.parse(body).error,
            status
          }))
        const told = [yield* chat(hello), yield* chat(hello), yield* chat(hello)]
        assert.deepStrictEqual(
          told.map(({ code, status, type }) => [status, code, type]),
          [
            [503, 503, "unavailable_error"],
            [404, 404, "not_found_error"],
            [500, 500, "server_error"]
          ]
        )
        assert.deepInclude(yield* chat(hello, { authorization: "Bearer wrong" }), {
          ...{ code: 401, status: 401, type: "authentication_error" }
        })
        for (const body of ["{", {}, [], { messages: "hello" }]) {
          assert.deepInclude(yield* chat(body), { code: 400, status: 400, type: "invalid_request_error" })
        }
      })
    )
  )

  it.live("turns away who finds no place in line", () =>
    withSimulator({ ...slow, slots: 1, waiting: 0 }, (simulator) =>
      Effect.gen(function* () {
        const first = yield* forked(post(simulator, "/v1/chat/completions", hello))
        yield* simulator.until(({ generations }) => generations[0]?.outcome === "running")
        assert.strictEqual((yield* post(simulator, "/v1/chat/completions", hello)).status, 503)
        yield* Fiber.interrupt(first)
      })
    )
  )

  it.live("tells its model to everybody, is healthy, and has nothing of KoboldCpp's", () =>
    withSimulator({ ...options, password: Redacted.make("open") }, (simulator) =>
      Effect.gen(function* () {
        const models = JSON.parse((yield* get(simulator, "/v1/models")).body)
        assert.deepInclude(models.data[0], { id: "simulated", object: "model" })
        assert.strictEqual((yield* get(simulator, "/health")).body, '{"status":"ok"}')
        for (const path of ["/api/extra/perf", "/api/v1/model", "/api/v1/models", "/nothing"]) {
          assert.strictEqual((yield* get(simulator, path)).status, 404, path)
        }
        for (const path of ["/api/v1/generate", "/api/extra/abort", "/api/v1/chat/completions"]) {
          assert.strictEqual((yield* post(simulator, path, hello)).status, 404, path)
        }
      })
    )
  )
})
