import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { extractContent } from "../../src/domain/Prompt.ts"

const user = (content: unknown) => ({ role: "user", content })

const rows: ReadonlyArray<readonly [name: string, content: unknown, prompt: string | undefined]> = [
  ["a plain string", "Summarise", "Summarise"],
  ["white space around a plain string", " \n Summarise\t", " \n Summarise\t"],
  ["a string that only begins like JSON", '{"prompt": "x"', '{"prompt": "x"'],
  ["a string holding a JSON string", '"inside"', "inside"],
  ["a string holding an object with a prompt", '{"prompt":" p "}', " p "],
  ["a string holding messages", '{"messages":[{"role":"user","content":"m"}]}', "m"],
  ["a string holding an array", '["a", {"prompt":"b"}, 3]', "a\nb"],
  ["a string holding an object that says nothing", ' { "a" : [ 1, "b c" ] } ', '{"a":[1,"b c"]}'],
  ["a string holding an array that says nothing", "[ 1, null, [ 2 ] ]", "[1,null,[2]]"],
  ["a string holding an empty object", "{ }", "{}"],
  ["a string holding a number", " 1.50 ", "1.50"],
  ["a string holding a boolean", "true", "true"],
  ["a string holding null", "null", "null"],
  ["a number too long for a double, in a string", "12345678901234567890.10", "12345678901234567890.10"],
  ["JSON within JSON is decoded once", '"{\\"prompt\\":\\"p\\"}"', '{"prompt":"p"}'],
  ["user messages in order", { messages: [user("first"), user("second")] }, "first\nsecond"],
  ["messages of other roles", { messages: [{ role: "system", content: "s" }, user("u")] }, "u"],
  ["blank user messages", { messages: [user(" "), user("u"), user("")] }, "u"],
  ["white space around user messages", { messages: [user(" a "), user("b\n")] }, " a \nb\n"],
  ["entries that are no user messages", { messages: [null, 1, "x", [], user(["part"]), user(5), user("u")] }, "u"],
  ["no usable user message: the prompt", { messages: [user(" ")], prompt: "p" }, "p"],
  ["messages go before the prompt", { messages: [user("m")], prompt: "p" }, "m"],
  ["messages that aren't an array", { messages: user("m"), prompt: "p" }, "p"],
  ["a prompt", { prompt: "p" }, "p"],
  ["a prompt that isn't a string", { prompt: 5 }, undefined],
  ["an empty prompt", { prompt: "" }, undefined],
  ["a blank prompt", { prompt: " \n\t" }, undefined],
  ["an object that says nothing", { a: 1 }, undefined],
  ["an array of strings", ["a", " ", "b"], "a\nb"],
  ["an array of objects", [{ prompt: "a" }, { messages: [user("b")] }, { c: 1 }], "a\nb"],
  ["an array with anything else", [1, null, true, ["nested"], "a"], "a"],
  ["an array of nothing usable", [1, [], {}], undefined],
  ["an empty array", [], undefined],
  ["zero", 0, "0"],
  ["a negative fraction", -1.5, "-1.5"],
  ["true", true, "true"],
  ["false", false, "false"],
  ["null", null, undefined],
  ["nothing", undefined, undefined],
  ["an empty string", "", undefined],
  ["white space alone", " \n\t\u00a0", undefined],
  ["a string holding a blank string", '"  "', undefined]
]

describe("extractContent", () => {
  for (const [name, content, prompt] of rows) {
    it(name, () => assert.strictEqual(extractContent(content).prompt, prompt))
  }

  it("gives the object that stands beside the prompt, decoded or not", () => {
    const object = { prompt: "p", top_k: 3 }
    assert.deepStrictEqual(extractContent(object).object, object)
    assert.deepStrictEqual(extractContent(JSON.stringify(object)).object, object)
    for (const content of ["p", '"p"', "[1]", ["p"], 1, null]) assert.isUndefined(extractContent(content).object)
  })

  it("doesn't exhaust the stack on a text nested half a million deep", () => {
    const deep = `${"[".repeat(500_000)} ${"]".repeat(500_000)}`
    assert.strictEqual(extractContent(deep).prompt, deep.replace(" ", ""))
    const unclosed = "[".repeat(500_000)
    assert.strictEqual(extractContent(unclosed).prompt, unclosed)
  })

  it.prop("finds a prompt or none in any JSON value, and never a blank one", { value: Schema.Json }, ({ value }) => {
    for (const content of [value, JSON.stringify(value), { prompt: value }, { messages: [user(value)] }, [value]]) {
      const { prompt } = extractContent(content)
      assert.isTrue(prompt === undefined || prompt.trim() !== "")
    }
  })

  it.prop("finds a prompt in the JSON text of whatever isn't blank", { value: Schema.Json }, ({ value }) => {
    const isBlank = (part: unknown) => typeof part === "string" && part.trim() === ""
    const blankPrompt = typeof value === "object" && value !== null && "prompt" in value && isBlank(value.prompt)
    if (!isBlank(value) && !blankPrompt) assert.isString(extractContent(JSON.stringify(value)).prompt)
  })

  it.prop("leaves any text that isn't JSON as it is", { text: Schema.String }, ({ text }) => {
    const sentence = `Re: ${text}`
    assert.strictEqual(extractContent(sentence).prompt, sentence)
    assert.strictEqual(extractContent({ prompt: sentence }).prompt, sentence)
    assert.strictEqual(extractContent(JSON.stringify(sentence)).prompt, sentence)
  })

  it.prop("takes any text without throwing", { text: Schema.String }, ({ text }) => {
    for (const content of [text, `{${text}`, `[${text}]`, `"${text}"`]) {
      assert.notStrictEqual(extractContent(content).prompt?.trim(), "")
    }
  })
})
