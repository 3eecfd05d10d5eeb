import { assert, describe, it } from "@effect/vitest"
import { completionBody } from "../../src/domain/Completion.ts"

const least = { id: "e-1", text: "answer", backend: "koboldcpp", endpoint: "chat" }

describe("completionBody", () => {
  it("leaves out what the backend didn't tell", () => {
    assert.deepStrictEqual(completionBody(least), { id: "e-1", completion: "answer", backend: "koboldcpp" })
  })

  it("tells the rest in the wire's names", () => {
    const usage = { promptTokens: 3, completionTokens: 2 }
    assert.deepStrictEqual(completionBody({ ...least, id: 7, model: "m", finishReason: "length", usage }), {
      id: 7,
      completion: "answer",
      backend: "koboldcpp",
      model: "m",
      finish_reason: "length",
      usage: { prompt_tokens: 3, completion_tokens: 2 }
    })
  })
})
