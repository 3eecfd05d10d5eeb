import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { decodeChatRequest, decodeTextRequest, type OpenAiRefusal } from "../../src/domain/OpenAiRequest.ts"
import { samplingParameters } from "../../src/domain/SamplingParameters.ts"

const messages = [{ role: "user", content: "hi" }]
const chat = (more: object = {}) => decodeChatRequest({ messages, ...more })

const refusalOf = (decoded: Result.Result<unknown, OpenAiRefusal>) => {
  if (Result.isSuccess(decoded)) assert.fail("it was taken")
  return decoded.failure
}

const fieldsOf = (more: object) => {
  const decoded = chat(more)
  if (Result.isFailure(decoded) || decoded.success.generation._tag !== "Chat") assert.fail("it was refused")
  return decoded.success.generation.fields
}

describe("a request to OpenAI's API", () => {
  it("is a chat, with nothing added", () => {
    const generation = { _tag: "Chat" as const, messages, fields: {} }
    assert.deepStrictEqual(chat(), Result.succeed({ generation, model: undefined, stream: false, includeUsage: false }))
  })

  it("is a text, alone or in a list of one", () => {
    for (const prompt of ["once ", ["once "]]) {
      const generation = { _tag: "Text" as const, prompt: "once ", fields: { model: "m" } }
      assert.deepStrictEqual(
        decodeTextRequest({ prompt, model: "m" }),
        Result.succeed({ generation, model: "m", stream: false, includeUsage: false })
      )
    }
    const empty = decodeTextRequest({ prompt: "" })
    assert.isTrue(Result.isSuccess(empty))
  })

  it("goes on with every field that it doesn't keep, as it came", () => {
    const passed = {
      model: "m",
      temperature: 0,
      top_p: 1,
      top_k: 40,
      stop: ["\n"],
      seed: 7,
      frequency_penalty: -2,
      presence_penalty: 2,
      logit_bias: { 50256: -100 },
      tools: [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }],
      tool_choice: "auto",
      response_format: { type: "json_object" },
      rep_pen: 1.1,
      anything: { nested: [null, false] }
    }
    const kept = {
      n: 1,
      stream: false,
      stream_options: { include_usage: true },
      user: "u",
      safety_identifier: "s",
      prompt_cache_key: "k",
      metadata: { a: "b" },
      store: true,
      genkey: "somebody-else",
      prompt: "another"
    }
    assert.deepStrictEqual(fieldsOf({ ...passed, ...kept }), passed)
  })

  it("leaves out what is null", () => {
    assert.deepStrictEqual(fieldsOf({ rep_pen: null, n: null, max_tokens: null, stream: null, stop: null }), {})
  })

  it("has one limit of tokens, by the older name", () => {
    assert.deepStrictEqual(fieldsOf({ max_tokens: 5 }), { max_tokens: 5 })
    assert.deepStrictEqual(fieldsOf({ max_completion_tokens: 6 }), { max_tokens: 6 })
    assert.deepStrictEqual(fieldsOf({ max_tokens: 5, max_completion_tokens: 6 }), { max_tokens: 6 })
    assert.deepStrictEqual(fieldsOf({ max_tokens: 5, max_completion_tokens: null }), { max_tokens: 5 })
  })

  it("asks the backend for the usage of a stream where the client asks for it", () => {
    const usage = { include_usage: true }
    assert.deepStrictEqual(fieldsOf({ stream: true, stream_options: usage }), { stream_options: usage })
    for (const options of [{ include_usage: false }, {}, "all", null]) {
      assert.deepStrictEqual(fieldsOf({ stream: true, stream_options: options }), {})
    }
    const told = ({ includeUsage, stream }: { includeUsage: boolean; stream: boolean }) => ({ includeUsage, stream })
    for (const [sent, expected] of [
      [
        { stream: true, stream_options: usage },
        { includeUsage: true, stream: true }
      ],
      [{ stream: true }, { includeUsage: false, stream: true }],
      [{ stream_options: usage }, { includeUsage: false, stream: false }]
    ] as const) {
      assert.deepStrictEqual(Result.map(chat(sent), told), Result.succeed(expected))
    }
  })
})

describe("a request that is refused", () => {
  it("is no object", () => {
    for (const body of [null, [], "hi", 1]) {
      for (const decode of [decodeChatRequest, decodeTextRequest]) {
        assert.deepInclude(refusalOf(decode(body)), {
          code: "invalid_request",
          details: "the body must be a JSON object"
        })
      }
    }
  })

  it("asks for more than one answer", () => {
    for (const n of [0, 2, "1", [], true]) {
      for (const decoded of [chat({ n }), decodeTextRequest({ prompt: "p", n })]) {
        assert.deepInclude(refusalOf(decoded), { code: "invalid_request", parameter: "n" })
      }
    }
  })

  it("has no prompt, or several, or tokens", () => {
    for (const prompt of [undefined, null, 1, {}, [], ["a", "b"], [1, 2], [[1]], [null]]) {
      assert.deepInclude(refusalOf(decodeTextRequest({ prompt })), {
        code: "invalid_request",
        parameter: "prompt",
        details: "prompt must be a string, or a list of one string"
      })
    }
  })

  it("has a parameter of a wrong type or out of its range", () => {
    for (const [name, value, expected] of [
      ["temperature", 2.1, samplingParameters.temperature.expected],
      ["temperature", "hot", samplingParameters.temperature.expected],
      ["top_p", -0.1, samplingParameters.top_p.expected],
      ["top_k", 0.5, samplingParameters.top_k.expected],
      ["seed", -2, samplingParameters.seed.expected],
      ["stop", [1], samplingParameters.stop.expected],
      ["model", "", samplingParameters.model.expected],
      ["max_tokens", "8", samplingParameters.max_tokens.expected],
      ["max_completion_tokens", 0, samplingParameters.max_tokens.expected],
      ["frequency_penalty", 3, "a number from -2 to 2"],
      ["presence_penalty", "0", "a number from -2 to 2"],
      ["stream", "true", "true or false"]
    ] as const) {
      assert.deepInclude(refusalOf(chat({ [name]: value })), { code: "invalid_parameter", parameter: name, expected })
    }
  })

  it("holds what no backend could read, wherever it stands", () => {
    const halves = [
      decodeTextRequest({ prompt: "\ud83c" }),
      decodeChatRequest({ messages: [{ role: "user", content: [{ type: "text", text: "\udfdf" }] }] }),
      chat({ stop: ["\ud83c"] })
    ]
    for (const decoded of halves) assert.deepInclude(refusalOf(decoded), { code: "invalid_request" })
    assert.deepInclude(refusalOf(chat({ rep_pen: Number.POSITIVE_INFINITY })), { code: "invalid_request" })
  })
})
