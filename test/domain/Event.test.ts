import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeEvent } from "../../src/domain/Event.ts"
import { defaultSampling } from "../../src/domain/SamplingParameters.ts"

const failureTag = (input: unknown) => Option.getOrUndefined(Result.getFailure(decodeEvent(input)))?._tag
const event = (input: unknown) => Result.getOrThrow(decodeEvent(input))

describe("decodeEvent", () => {
  it("takes a prompt with the default parameters", () => {
    assert.deepStrictEqual(event({ content: "p" }), { prompt: "p", parameters: defaultSampling })
  })

  it("keeps the caller's own id, a word or a number", () => {
    assert.strictEqual(event({ id: "ticket-7", content: "p" }).id, "ticket-7")
    assert.strictEqual(event({ id: 0, content: "p" }).id, 0)
  })

  it("passes over an id that JSON couldn't give back", () => {
    for (const id of ["", null, true, {}, ["a"], undefined]) assert.notProperty(event({ id, content: "p" }), "id")
  })

  it("passes over a number too large for JSON as an id", () => {
    assert.notProperty(event(JSON.parse('{"id":1e999,"content":"p"}')), "id")
  })

  it("ignores other fields", () => {
    assert.deepStrictEqual(event({ content: "p", prompt: "other", repository: {} }), event({ content: "p" }))
  })

  it.prop("takes nothing but objects", { value: Schema.Json }, ({ value }) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      assert.strictEqual(failureTag(value), "InvalidInputFormat")
    }
  })

  it("needs a content of its own, whatever stands on the prototype", () => {
    assert.strictEqual(failureTag({}), "MissingContentField")
    assert.strictEqual(failureTag({ Content: "p" }), "MissingContentField")
    assert.strictEqual(failureTag(Object.create({ content: "p" })), "MissingContentField")
    assert.strictEqual(failureTag(JSON.parse('{"__proto__":{"content":"p"}}')), "MissingContentField")
  })

  it("says when the content holds no prompt", () => {
    for (const content of [null, "", " ", {}, [], { messages: [] }]) {
      assert.strictEqual(failureTag({ content }), "PromptExtractionFailed")
    }
  })

  it("isn't misled by fields with the names of an object's own methods", () => {
    const text = '{"content":{"prompt":"p","__proto__":{"top_k":1},"constructor":{"top_k":2},"toString":3}}'
    assert.deepStrictEqual(event(JSON.parse(text)), { prompt: "p", parameters: defaultSampling })
    assert.deepStrictEqual(event({ content: { prompt: "p" }, hasOwnProperty: 1 }), event({ content: "p" }))
  })

  it("reads parameters beside the prompt and beside the content; the inner one wins", () => {
    const { parameters } = event({ content: { prompt: "p", max_tokens: 7, top_k: 1 }, max_tokens: 9, seed: 3 })
    assert.deepStrictEqual(parameters, { ...defaultSampling, maxTokens: 7, topK: 1, seed: 3 })
  })

  it("reads parameters out of JSON in a string", () => {
    assert.strictEqual(event({ content: '{"prompt":"p","temperature":0}', temperature: 1 }).parameters.temperature, 0)
  })

  it("refuses a wrong inner parameter even when the outer one is right", () => {
    assert.strictEqual(failureTag({ content: { prompt: "p", max_tokens: null }, max_tokens: 9 }), "InvalidParameter")
    assert.strictEqual(event({ content: { prompt: "p", max_tokens: 9 }, max_tokens: null }).parameters.maxTokens, 9)
  })

  it("refuses half a character in what would go to the backend, and nowhere else", () => {
    const half = "\ud83c"
    const sent = [
      { content: `a${half}` },
      { content: JSON.stringify({ prompt: half }) },
      { content: ["a", half] },
      { content: "p", stop: ["a", half] },
      { content: { prompt: "p", model: half } }
    ]
    for (const input of sent) assert.strictEqual(failureTag(input), "InvalidRequest")
    assert.deepStrictEqual(event({ content: { prompt: "p", note: half } }), event({ content: "p" }))
    assert.strictEqual(event({ id: half, content: "p" }).id, half)
    assert.strictEqual(event({ content: "🎟️" }).prompt, "🎟️")
  })

  it("looks at the prompt before the parameters", () => {
    assert.strictEqual(failureTag({ content: {}, max_tokens: "many" }), "PromptExtractionFailed")
  })
})
