import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { brokenConnection } from "../../../src/services/SocketErrors.ts"
import { startService } from "../../support/Running.ts"
import { streamOf } from "../../support/ScriptedBackend.ts"
import { postRaw } from "../../support/Sse.ts"
import { eventually } from "../../support/TestService.ts"

const chatRequest = { model: "m", messages: [{ role: "user", content: "hi" }], stream: true }
const textRequest = { model: "m", prompt: "hi", stream: true }
const withUsage = { stream_options: { include_usage: true } }

/** The bytes of a stream, its id and its time replaced by words. */
const masked = (text: string): string => {
  const [, id = "none", created = "none"] = /"id":"([a-z]+-[0-9a-f]{32})",.*?"created":([0-9]{10}),/.exec(text) ?? []
  return text.replaceAll(id, "ID").replaceAll(`"created":${created}`, '"created":0')
}

const chatChunk = (choices: string, more = "") =>
  `data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"koboldcpp/scripted","choices":[${choices}]${more}}\n\n`
const textChunk = (choices: string, more = "") =>
  `data: {"id":"ID","object":"text_completion","created":0,"model":"koboldcpp/scripted","choices":[${choices}]${more}}\n\n`

const opening = '{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}'
const piece = (text: string) => `{"index":0,"delta":{"content":"${text}"},"logprobs":null,"finish_reason":null}`
const ending = '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}'
const textPiece = (text: string) => `{"text":"${text}","index":0,"logprobs":null,"finish_reason":null}`
const textEnding = '{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}'
const usage = ',"usage":{"prompt_tokens":0,"completion_tokens":2,"total_tokens":2}'

const done = "data: [DONE]\n\n"

describe("the bytes of a stream", () => {
  it.live("of a chat", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const { headers, status, text } = yield* postRaw(url, "/v1/chat/completions", chatRequest)
      assert.strictEqual(status, 200)
      assert.strictEqual(headers.get("content-type"), "text/event-stream; charset=utf-8")
      const chunks = [opening, piece(" from"), piece(" chat "), ending].map((choice) => chatChunk(choice))
      assert.strictEqual(masked(text), [...chunks, done].join(""))
    })
  )

  it.live("of a chat with usage", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const { text } = yield* postRaw(url, "/v1/chat/completions", { ...chatRequest, ...withUsage })
      const chunks = [opening, piece(" from"), piece(" chat "), ending].map((choice) =>
        chatChunk(choice, ',"usage":null')
      )
      assert.strictEqual(masked(text), [...chunks, chatChunk("", usage), done].join(""))
    })
  )

  it.live("of a text, with usage and without", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const choices = [textPiece(" from"), textPiece(" completion "), textEnding]
      const { text } = yield* postRaw(url, "/v1/completions", textRequest)
      assert.strictEqual(masked(text), [...choices.map((choice) => textChunk(choice)), done].join(""))
      const counted = yield* postRaw(url, "/v1/completions", { ...textRequest, ...withUsage })
      const chunks = choices.map((choice) => textChunk(choice, ',"usage":null'))
      assert.strictEqual(masked(counted.text), [...chunks, textChunk("", usage), done].join(""))
    })
  )

  it.live("of an answer without any text", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ chat: [{ pieces: streamOf("chat", "") }] })
      const { text } = yield* postRaw(url, "/v1/chat/completions", chatRequest)
      assert.strictEqual(masked(text), [chatChunk(opening), chatChunk(ending), done].join(""))
    })
  )

  it.live("of one that breaks off: an error, and no end", () =>
    Effect.gen(function* () {
      const { backend, lines, url } = yield* startService()
      const cut = { after: "reset" as const }
      backend.script({
        chat: [{ pieces: streamOf("chat").slice(0, 1), ...cut }],
        completion: [{ pieces: streamOf("completion").slice(0, 1), ...cut }]
      })
      const error = (endpoint: string) =>
        `data: {"error":{"message":"The connection to the backend failed: koboldcpp, ${endpoint}: ` +
        `${brokenConnection}.","type":"server_error","param":null,"code":"api_connection_error"}}\n\n`
      const chat = yield* postRaw(url, "/v1/chat/completions", chatRequest)
      assert.strictEqual(masked(chat.text), chatChunk(opening) + chatChunk(piece(" from")) + error("chat"))
      const text = yield* postRaw(url, "/v1/completions", textRequest)
      assert.strictEqual(masked(text.text), textChunk(textPiece(" from")) + error("completion"))
      yield* eventually(() => lines.filter((line) => line.includes('"error":"api_connection_error"')).length === 2)
    })
  )
})
