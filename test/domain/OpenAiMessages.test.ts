import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { readMessages } from "../../src/domain/OpenAiMessages.ts"

const call = { id: "call_1", type: "function", function: { name: "look", arguments: "{}" } }

const refusal = (messages: unknown) => {
  const read = readMessages(messages)
  if (Result.isSuccess(read)) assert.fail("it was taken")
  const { code, details, parameter } = read.failure
  assert.strictEqual(code, "invalid_request")
  return [parameter, details]
}

describe("readMessages", () => {
  it("takes every role and shape as it came", () => {
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "developer", content: "" },
      { role: "user", content: "What is this?", name: "ada" },
      {
        role: "user",
        content: [
          { type: "text", text: "And this?" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AA==", detail: "low" } },
          { type: "input_audio", input_audio: { data: "AA==", format: "wav" } },
          { type: "something_new", anything: null }
        ]
      },
      { role: "user", content: [] },
      { role: "assistant", content: "A cat.", refusal: null },
      { role: "assistant", content: "", tool_calls: [call] },
      { role: "assistant", content: "I look.", tool_calls: [call] },
      { role: "tool", content: "[1]", tool_call_id: "call_1" }
    ]
    assert.deepStrictEqual(readMessages(messages), Result.succeed(messages))
  })

  it("gives a turn that calls tools the content it may lack", () => {
    for (const message of [
      { role: "assistant", tool_calls: [call] },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "assistant", content: null, function_call: { name: "look", arguments: "{}" } }
    ]) {
      assert.deepStrictEqual(readMessages([message]), Result.succeed([{ ...message, content: "" }]))
    }
  })

  it("refuses what is no list, or an empty one", () => {
    for (const messages of [undefined, null, "hi", {}, [], 1]) {
      assert.deepStrictEqual(refusal(messages), ["messages", "messages must be a list of at least one message"])
    }
  })

  it("refuses a message that lacks something, and names it", () => {
    const good = { role: "user", content: "hi" }
    for (const [message, place, problem] of [
      ["hi", "messages[1]", "must be an object"],
      [null, "messages[1]", "must be an object"],
      [[], "messages[1]", "must be an object"],
      [{ content: "hi" }, "messages[1].role", "must be a string"],
      [{ role: 1, content: "hi" }, "messages[1].role", "must be a string"],
      [{ role: "", content: "hi" }, "messages[1].role", "must be a string"],
      [{ role: "user" }, "messages[1].content", "must be a string or a list of parts"],
      [{ role: "user", content: null }, "messages[1].content", "must be a string or a list of parts"],
      [{ role: "user", content: {} }, "messages[1].content", "must be a string or a list of parts"],
      [{ role: "user", tool_calls: [call] }, "messages[1].content", "must be a string or a list of parts"],
      [{ role: "assistant", tool_calls: [] }, "messages[1].content", "must be a string or a list of parts"]
    ] as const) {
      assert.deepStrictEqual(refusal([good, message]), [place, `${place} ${problem}`])
    }
  })

  it("refuses a part that KoboldCpp would stumble over", () => {
    for (const [part, place, problem] of [
      ["hi", "messages[0].content[1]", "must be an object"],
      [{ text: "hi" }, "messages[0].content[1].type", "must be a string"],
      [{ type: "text" }, "messages[0].content[1].text", "must be a string"],
      [{ type: "image_url", image_url: "data:" }, "messages[0].content[1].image_url", "must be an object with a url"],
      [{ type: "input_audio" }, "messages[0].content[1].input_audio", "must be an object with data"]
    ] as const) {
      const content = [{ type: "text", text: "hi" }, part]
      assert.deepStrictEqual(refusal([{ role: "user", content }]), [place, `${place} ${problem}`])
    }
  })

  it("looks no further than to the first that is wrong", () => {
    const looked: Array<string> = []
    const watched = (name: string) => ({
      get role() {
        looked.push(name)
        return 1
      }
    })
    assert.deepStrictEqual(refusal([watched("a"), watched("b")])[0], "messages[0].role")
    assert.deepStrictEqual(looked, ["a"])
    const parts = [{ type: 1 }, Object.defineProperty({}, "type", { get: () => looked.push("part") })]
    assert.deepStrictEqual(refusal([{ role: "user", content: parts }])[0], "messages[0].content[0].type")
    assert.deepStrictEqual(looked, ["a"])
  })
})
