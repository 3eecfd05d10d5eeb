import { assert, describe, it } from "@effect/vitest"
import type { GenerationRequest } from "../../src/domain/Generation.ts"
import { canonicalText, isDeterministic } from "../../src/domain/RequestKey.ts"

const prompt = (parameters: { readonly temperature?: number; readonly seed?: number }): GenerationRequest => ({
  _tag: "Prompt",
  prompt: "p",
  parameters: { maxTokens: 10, temperature: 0.7, topP: 1, ...parameters }
})
const text = (fields: Record<string, unknown>, said = "p"): GenerationRequest => ({
  _tag: "Text",
  prompt: said,
  fields
})
const native = (fields: Record<string, unknown>): GenerationRequest => ({ _tag: "Native", prompt: "p", fields })

describe("a request", () => {
  it("is deterministic at a temperature of 0, or with a seed that is fixed", () => {
    for (const request of [prompt({ temperature: 0 }), prompt({ seed: 0 }), prompt({ seed: 7 })]) {
      assert.isTrue(isDeterministic(request))
    }
    for (const request of [text({ temperature: 0 }), text({ seed: 7 }), native({ sampler_seed: 7 })]) {
      assert.isTrue(isDeterministic(request))
    }
  })

  it("is not where chance has a say, or what would settle it isn't known", () => {
    for (const request of [prompt({}), prompt({ seed: -1 }), prompt({ temperature: 0.01 })]) {
      assert.isFalse(isDeterministic(request))
    }
    for (const fields of [{}, { temperature: 1 }, { seed: "7" }, { seed: -1 }, { temperature: "0" }]) {
      assert.isFalse(isDeterministic(text(fields)))
    }
    assert.isFalse(isDeterministic(native({ seed: 7 })))
  })

  it("is the same as one whose fields stand in another order, however deep", () => {
    const one = text({ a: 1, b: { c: [{ d: 1, e: 2 }], f: null } })
    const other = text({ b: { f: null, c: [{ e: 2, d: 1 }] }, a: 1 })
    assert.strictEqual(canonicalText(one), canonicalText(other))
  })

  it("differs from one of another kind, prompt, value, or order of a list", () => {
    const requests = [
      text({ stop: ["a", "b"] }),
      text({ stop: ["b", "a"] }),
      text({ stop: ["a", "b"] }, "q"),
      text({ stop: ["a", "b"], seed: 1 }),
      native({ stop: ["a", "b"] }),
      text({ stop: ["a,b"] }),
      prompt({ seed: 1 }),
      prompt({ seed: 2 })
    ]
    assert.strictEqual(new Set(requests.map(canonicalText)).size, requests.length)
  })
})
