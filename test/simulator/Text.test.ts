import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { countTokens, planText, StopReason, type TextRequest, tokenise } from "../../src/simulator/Text.ts"

const request = (fields: Partial<TextRequest> = {}): TextRequest => ({
  prompt: "Why is the printer on fire?",
  topic: "Why is the printer on fire?",
  seed: 1,
  maxTokens: 500,
  stop: [],
  trimStop: true,
  endless: false,
  ...fields
})

describe("simulated text", () => {
  it("says what it is, and is the same every time", () => {
    const { text } = planText(request())
    assert.match(text, /^Simulated answer to Why is the printer on fire\?: [A-Z]/)
    assert.strictEqual(text, planText(request()).text)
  })

  it("is another one for another prompt or seed", () => {
    assert.notStrictEqual(planText(request()).text, planText(request({ seed: 2 })).text)
    assert.notStrictEqual(planText(request()).text, planText(request({ prompt: "Another" })).text)
  })

  it("ends by itself between 24 and 120 tokens, with a full stop", () => {
    for (let seed = 0; seed < 50; seed++) {
      const plan = planText(request({ seed }))
      assert.isAtLeast(plan.tokens.length, 24)
      assert.isAtMost(plan.tokens.length, 120)
      assert.strictEqual(plan.stopReason, StopReason.endOfText)
      assert.match(plan.text, /\.$/)
    }
  })

  it("goes on to the limit when the end-of-text token is banned", () => {
    const plan = planText(request({ endless: true }))
    assert.strictEqual(plan.tokens.length, 500)
    assert.strictEqual(plan.stopReason, StopReason.outOfTokens)
  })

  it("stops at the stop sequence that is complete first", () => {
    const trimmed = planText(request({ stop: ["on fire", "printer", "no such"] }))
    assert.strictEqual(trimmed.text, "Simulated answer to Why is the ")
    assert.strictEqual(trimmed.stopReason, StopReason.stopSequence)
    const whole = planText(request({ stop: ["printer"], trimStop: false }))
    assert.strictEqual(whole.text, "Simulated answer to Why is the printer")
    // What is left out was made all the same: it is among the tokens, and none of the text.
    for (const plan of [trimmed, whole]) assert.strictEqual(plan.tokens.join(""), plan.text)
    assert.strictEqual(trimmed.tokens.length, planText(request({ stop: ["printer"] })).tokens.length)
  })

  it.effect.prop(
    "is the joined tokens, never more than asked for, and a longer limit only adds to it",
    {
      prompt: Schema.String,
      seed: Schema.Int,
      maxTokens: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 200 }))
    },
    ({ maxTokens, prompt, seed }) =>
      Effect.sync(() => {
        const limited = planText(request({ prompt, topic: prompt, seed, maxTokens, endless: true }))
        const longer = planText(request({ prompt, topic: prompt, seed, maxTokens: maxTokens + 10, endless: true }))
        assert.strictEqual(limited.tokens.join(""), limited.text)
        assert.strictEqual(limited.tokens.length, maxTokens)
        assert.isTrue(longer.text.startsWith(limited.text))
        assert.strictEqual(tokenise(prompt).join(""), prompt)
        assert.strictEqual(tokenise(prompt).length, countTokens(prompt))
      }),
    { arbitrary: { runs: 100 } }
  )
})
