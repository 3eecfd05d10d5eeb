import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Dialect } from "../../src/simulator/Options.ts"
import { generate, generateStream, get, performance, poll, post, withSimulator } from "./RawHttp.ts"
import { openStream, textsIn } from "./RawStream.ts"

const dialects: ReadonlyArray<Dialect> = ["1.76", "1.104"]
const fast = { tokensPerSecond: 0 } as const
const native = "/api/extra/generate/stream"

/** The same bytes, with the one thing left out that changes from run to run. */
const undated = (body: string) => body.replaceAll(/"created": \d{10}\b/g, '"created": 0')

describe.each(dialects)("a stream of %s", (dialect) => {
  const options = { ...fast, dialect }
  const old = dialect === "1.76"
  const none = old ? '"null"' : "null"

  it.live("of the server's own kind, to the byte", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const answer = yield* post(simulator, native, { prompt: "Hé 😀", max_length: 7 })
        const [head = ""] = answer.bytes.split("\r\n\r\n")
        assert.strictEqual(
          head.replace(/Date: .*/, "Date: now"),
          [
            "HTTP/1.0 200 OK",
            `Server: ${old ? "ConcedoLlamaForKoboldServer" : "KoboldCppServer 1"}`,
            "Date: now",
            "X-Accel-Buffering: no",
            "cache-control: no-cache",
            "connection: keep-alive",
            "content-type: text/event-stream"
          ].join("\r\n")
        )
        const first = `event: message\ndata: {"token": "Simulated answer to", "finish_reason": ${none}}\n\n`
        const rest = old
          ? 'event: message\ndata: {"token": " Hé 😀: Sends", "finish_reason": "length"}\n\n'
          : 'event: message\ndata: {"token": " Hé 😀: Sends", "finish_reason": null}\n\n' +
            'event: message\ndata: {"token": "", "finish_reason": "length"}\n\n'
        assert.strictEqual(answer.body, first + rest)
        assert.strictEqual(answer.ended, "end")
      })
    )
  )

  it.live.each(["/v1/chat/completions", "/api/v1/chat/completions"])("of chat chunks from %s, to the byte", (path) =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const asked = { messages: [{ role: "user", content: "Hi" }], max_tokens: 6, stream: true }
        const { body, headers } = yield* post(simulator, path, { ...asked, stream_options: { include_usage: true } })
        const chunk = (reason: string, content: string) =>
          'data: {"id": "koboldcpp", "object": "chat.completion.chunk", "created": 0, "model": "koboldcpp/simulated", ' +
          `"choices": [{"index": 0, "finish_reason": ${reason}, ` +
          `"delta": {"role": "assistant", "content": "${content}"}}]}\n\n`
        const expected = old
          ? `${chunk('"null"', "Simulated answer to")}${chunk('"length"', " Hi: From")}data: [DONE]`
          : `${chunk("null", "Simulated answer to")}${chunk("null", " Hi: From")}${chunk('"length"', "")}data: [DONE]\n\n`
        assert.strictEqual(undated(body), expected)
        assert.strictEqual(headers.get("content-type"), "text/event-stream")
        assert.isFalse(headers.has("content-length"))
      })
    )
  )

  it.live.each(["/v1/completions", "/api/v1/completions"])("of completion chunks from %s, to the byte", (path) =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const { body } = yield* post(simulator, path, { prompt: "Hi", max_tokens: 5, stream: true })
        const chunk = (reason: string, text: string) =>
          'data: {"id": "koboldcpp", "object": "text_completion", "created": 0, "model": "koboldcpp/simulated", ' +
          `"choices": [{"index": 0, "finish_reason": ${reason}, "text": "${text}"}]}\n\n`
        const expected = old
          ? `${chunk('"null"', "Simulated answer to")}${chunk('"length"', " Hi:")}data: [DONE]`
          : `${chunk("null", "Simulated answer to")}${chunk("null", " Hi:")}${chunk('"length"', "")}data: [DONE]\n\n`
        assert.strictEqual(undated(body), expected)
      })
    )
  )

  it.live("says stop only at the end of the text, and nothing of what a stop sequence leaves out", () =>
    withSimulator(options, (simulator) =>
      Effect.gen(function* () {
        const end = Effect.fnUntraced(function* (fields: object) {
          const { body } = yield* generateStream(simulator, { prompt: "Hello there", max_length: 150, ...fields })
          return [/"finish_reason": "([a-z]*)"\}\n\n$/.exec(body)?.[1], textsIn(body).join("")]
        })
        const whole = JSON.parse((yield* generate(simulator, { prompt: "Hello there", max_length: 150 })).body)
        assert.deepStrictEqual(yield* end({}), ["stop", whole.results[0].text])
        assert.deepStrictEqual(yield* end({ ban_eos_token: true }).pipe(Effect.map(([reason]) => reason)), "length")
        const kept = "Simulated answer to Hello"
        assert.deepStrictEqual(yield* end({ stop_sequence: ["Hello"] }), [
          "length",
          old ? kept : "Simulated answer to "
        ])
        assert.strictEqual((yield* performance(simulator)).stop_reason, 2)
        const trimmed = yield* end({ stop_sequence: ["to Hello"], trim_stop: true })
        assert.deepStrictEqual(trimmed, ["length", "Simulated answer "])
        assert.deepStrictEqual(yield* end({ max_length: 0 }), ["length", ""])
      })
    )
  )

  it.live("that can't be read opens, stays silent for ever, and holds up nobody", () =>
    withSimulator({ ...options, waiting: 0 }, (simulator) =>
      Effect.gen(function* () {
        const bad: ReadonlyArray<readonly [string, unknown]> = [
          [native, { prompt: 5 }],
          [native, { prompt: null }],
          [native, '{"prompt": "\\ud800"}'],
          [native, { prompt: "x", genkey: 5 }],
          ["/v1/completions", { prompt: ["a"], stream: true }],
          ["/v1/chat/completions", { messages: [], genkey: 5, stream: true }]
        ]
        for (const [path, body] of bad) {
          const silent = yield* openStream(simulator, path, body)
          const head = yield* silent.until((received) => received.endsWith("\r\n\r\n"))
          assert.match(head, /^HTTP\/1.0 200 OK\r\n.*content-type: text\/event-stream\r\n\r\n$/s)
          // The model is free again before the head is read, or soon after.
          yield* poll(generate(simulator, { max_length: 1 }), ({ status }) => status === 200)
          yield* poll(performance(simulator), ({ idle }) => idle === 1)
          assert.isFalse(silent.chunks().length > 1)
        }
        const { generations } = yield* simulator.ledger
        const refused = generations.filter(({ outcome }) => outcome === "refused")
        assert.isTrue(refused.filter(({ reason }) => reason === "silence").every(({ stream }) => stream))
        assert.strictEqual(refused.filter(({ reason }) => reason === "silence").length, bad.length)
      }).pipe(Effect.scoped)
    )
  )

  it.live("that fails before its turn does so like any other request", () =>
    withSimulator({ ...options, password: Redacted.make("secret") }, (simulator) =>
      Effect.gen(function* () {
        const stranger = yield* generateStream(simulator)
        assert.deepStrictEqual([stranger.status, JSON.parse(stranger.body).detail.type], [401, "unauthorized"])
        const authorization = "Bearer secret"
        const garbled = yield* post(simulator, native, "{", { authorization })
        assert.deepStrictEqual([garbled.status, JSON.parse(garbled.body).detail.type], [500, "bad_input"])
        const dropped = yield* post(simulator, native, "[]", { authorization })
        assert.deepStrictEqual([dropped.bytes, dropped.ended], ["", "end"])
        assert.strictEqual((yield* get(simulator, native)).status, 404)
        assert.isTrue((yield* simulator.ledger).generations.every(({ stream }) => stream))
      })
    )
  )
})
