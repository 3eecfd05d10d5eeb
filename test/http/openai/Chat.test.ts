import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type OpenAI from "openai"
import { asked, collected, openAiService } from "../../support/OpenAi.ts"
import { streamOf } from "../../support/ScriptedBackend.ts"

const hi: ReadonlyArray<OpenAI.ChatCompletionMessageParam> = [{ role: "user", content: "hi" }]
const request = { model: "asked-for", messages: [...hi] }

const call = { id: "call_1", type: "function" as const, function: { name: "look", arguments: '{"at":"cat"}' } }

describe("chat.completions.create", () => {
  it.live("answers with one choice and its usage", () =>
    Effect.gen(function* () {
      const { client } = yield* openAiService()
      const now = Effect.map(Clock.currentTimeMillis, (millis) => Math.floor(millis / 1000))
      const before = yield* now
      const completion = yield* asked(() => client.chat.completions.create(request))
      const { created, id, ...rest } = completion
      assert.match(id, /^chatcmpl-[0-9a-f]{32}$/)
      assert.isTrue(Number.isInteger(created))
      assert.isTrue(before <= created && created <= (yield* now))
      assert.deepStrictEqual(rest, {
        object: "chat.completion",
        model: "koboldcpp/scripted",
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: " from chat ", refusal: null },
            logprobs: null,
            finish_reason: "stop"
          }
        ],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
      })
      const next = yield* asked(() => client.chat.completions.create(request))
      assert.notStrictEqual(next.id, id)
    })
  )

  it.live("names the model as it was asked for where the backend doesn't, and leaves unknown usage out", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      backend.script({ chat: [{ body: { choices: [{ message: { content: "" } }] } }] })
      const completion = yield* asked(() => client.chat.completions.create(request))
      assert.strictEqual(completion.model, "asked-for")
      assert.notProperty(completion, "usage")
      assert.deepInclude(completion.choices[0], { finish_reason: "stop", index: 0 })
      assert.strictEqual(completion.choices[0]?.message.content, "")
      const anonymous = yield* asked(() => client.chat.completions.create({ ...request, model: JSON.parse("null") }))
      assert.strictEqual(anonymous.model, "koboldcpp")
    })
  )

  it.live("sends the backend messages of every role as they are", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      const messages: ReadonlyArray<OpenAI.ChatCompletionMessageParam> = [
        { role: "system", content: " Be brief.\n" },
        { role: "developer", content: "Be kind." },
        { role: "user", content: "What is this? 🎟️ \u0000", name: "ada" },
        {
          role: "user",
          content: [
            { type: "text", text: "And this?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }
          ]
        },
        { role: "assistant", content: "I look.", tool_calls: [call] },
        { role: "tool", content: "a cat", tool_call_id: "call_1" },
        { role: "assistant", content: "A cat", refusal: null }
      ]
      yield* asked(() => client.chat.completions.create({ model: "m", messages: [...messages] }))
      assert.deepStrictEqual(backend.calls[0]?.body["messages"], messages)
    })
  )

  it.live("sends the fields of the client, a genkey of its own, and no limit that nobody set", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      const fields = { temperature: 0.2, stop: ["\n", "###"], seed: 7, rep_pen: 1.1, grammar: "root ::= [a-z]" }
      const ours = { n: 1, user: "ada", stream: false as const, top_p: null, genkey: "somebody-else" }
      yield* asked(() => client.chat.completions.create({ ...request, ...fields, ...ours }))
      const { genkey, ...sent } = backend.calls[0]?.body ?? {}
      assert.deepStrictEqual(sent, { ...request, ...fields })
      assert.match(String(genkey), /^ai-ticket-/)
      yield* asked(() => client.chat.completions.create({ ...request, stop: "\n", max_completion_tokens: 9 }))
      assert.deepInclude(backend.calls[1]?.body, { stop: "\n", max_tokens: 9 })
    })
  )

  it.live("hands on calls of tools", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      const choice = { finish_reason: "tool_calls", message: { content: null, tool_calls: [call] } }
      backend.script({ chat: [{ body: { choices: [choice] } }] })
      const { choices } = yield* asked(() => client.chat.completions.create(request))
      assert.deepStrictEqual(choices[0]?.message.tool_calls, [call])
      assert.isNull(choices[0]?.message.content)
      assert.strictEqual(choices[0]?.finish_reason, "tool_calls")
    })
  )
})

describe("chat.completions.create with stream", () => {
  const stream = { ...request, stream: true as const }

  it.live("gives the text as it comes, in chunks of one answer", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      const chunks = yield* collected(() => client.chat.completions.create(stream))
      assert.deepStrictEqual(
        chunks.map(({ choices }) => choices[0]?.delta),
        [{ role: "assistant", content: "" }, { content: " from" }, { content: " chat " }, {}]
      )
      assert.deepStrictEqual(
        chunks.map(({ choices }) => choices[0]?.finish_reason),
        [null, null, null, "stop"]
      )
      assert.strictEqual(new Set(chunks.map(({ created, id, model }) => `${id} ${created} ${model}`)).size, 1)
      assert.isTrue(chunks.every((chunk) => !("usage" in chunk)))
      const { stream_options: options, stream: streamed } = backend.calls[0]?.body ?? {}
      assert.deepStrictEqual([streamed, options], [true, undefined])
    })
  )

  const withUsage = { ...stream, stream_options: { include_usage: true } }

  it.live("ends with the usage where it is asked for, as the backend counted", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      const counted = { choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } }
      const [done, ...pieces] = streamOf("chat").toReversed()
      backend.script({
        chat: [{ pieces: [...pieces.toReversed(), `data: ${JSON.stringify(counted)}\n\n`, done ?? ""] }]
      })
      const chunks = yield* collected(() => client.chat.completions.create(withUsage))
      const last = chunks.at(-1)
      assert.deepStrictEqual([last?.choices, last?.usage], [[], counted.usage])
      assert.isTrue(chunks.slice(0, -1).every(({ choices, usage }) => usage === null && choices.length === 1))
      assert.deepStrictEqual(backend.calls[0]?.body["stream_options"], { include_usage: true })
    })
  )

  it.live("counts for itself where the backend doesn't", () =>
    Effect.gen(function* () {
      const { client } = yield* openAiService()
      const chunks = yield* collected(() => client.chat.completions.create(withUsage))
      const usage = { prompt_tokens: 0, completion_tokens: 2, total_tokens: 2 }
      assert.deepStrictEqual(chunks.at(-1)?.usage, usage)
    })
  )

  it.live("is put together by the client's helper", () =>
    Effect.gen(function* () {
      const { client } = yield* openAiService()
      const completion = yield* asked(() => client.chat.completions.stream(request).finalChatCompletion())
      assert.strictEqual(completion.choices[0]?.message.content, " from chat ")
      assert.strictEqual(completion.choices[0]?.finish_reason, "stop")
    })
  )

  it.live("hands on calls of tools, those of a backend that answers whole too", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      const calls = [call, { ...call, id: "call_2" }]
      const whole = {
        body: { choices: [{ finish_reason: "tool_calls", message: { content: "", tool_calls: calls } }] }
      }
      const event = (choice: object) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`
      const streamed = {
        pieces: [
          ...calls.map((one, index) => event({ delta: { tool_calls: [{ index, ...one }] }, finish_reason: null })),
          event({ delta: {}, finish_reason: "tool_calls" }),
          "data: [DONE]\n\n"
        ]
      }
      backend.script({ chat: [whole, streamed] })
      for (let at = 0; at < 2; at++) {
        const { choices } = yield* asked(() => client.chat.completions.stream(request).finalChatCompletion())
        const got = choices[0]?.message.tool_calls?.map(({ id, type, ...rest }) => ({
          id,
          type,
          function: "function" in rest ? { name: rest.function.name, arguments: rest.function.arguments } : undefined
        }))
        assert.deepStrictEqual(got, calls)
        assert.strictEqual(choices[0]?.finish_reason, "tool_calls")
      }
    })
  )
})
