import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { koboldCppAt } from "../../../support/KoboldCppHarness.ts"
import { type EndpointName, type Step, scriptedBackend } from "../../../support/ScriptedBackend.ts"

const generationOf = Effect.fnUntraced(function* (name: EndpointName, step: Step) {
  const backend = yield* scriptedBackend
  backend.script({ [name]: [step] })
  return yield* (yield* koboldCppAt(backend.url)).attempt(name)
})

const answerOf = (name: EndpointName, body: unknown) => generationOf(name, { body })

const failureOf = Effect.fnUntraced(function* (name: EndpointName, step: Step) {
  const backend = yield* scriptedBackend
  backend.script({ [name]: [step] })
  const error = yield* Effect.flip((yield* koboldCppAt(backend.url)).attempt(name))
  assert.deepStrictEqual([error.backend, error.endpoint, backend.calls.length], ["koboldcpp", name, 1])
  return error
})

const names: ReadonlyArray<EndpointName> = ["chat", "completion", "generate"]
const choiceOf = (text: string) => ({ message: { role: "assistant", content: text }, text })
const saying = (name: EndpointName, text: unknown) =>
  name === "generate" ? { results: [{ text }] } : { choices: [{ message: { content: text }, text }] }

describe("an answer of KoboldCpp", () => {
  it.live("is read with all that it tells", () =>
    Effect.gen(function* () {
      const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
      const choices = [{ ...choiceOf(" yes "), finish_reason: "length", index: 0 }, choiceOf("another")]
      const told = { text: " yes ", finishReason: "length", usage: { promptTokens: 3, completionTokens: 2 } }
      assert.deepStrictEqual(yield* answerOf("chat", { choices, model: "m", usage }), { ...told, model: "m" })
      assert.deepStrictEqual(yield* answerOf("completion", { choices, model: "m", usage }), { ...told, model: "m" })
      const results = [{ text: " yes ", tool_calls: [], finish_reason: "length", logprobs: null, ...usage }]
      assert.deepStrictEqual(yield* answerOf("generate", { results }), told)
    })
  )

  it.live("needs no more than a text", () =>
    Effect.gen(function* () {
      for (const name of names) assert.deepStrictEqual(yield* answerOf(name, saying(name, "yes")), { text: "yes" })
    })
  )

  it.live("stays usable with junk in everything else", () =>
    Effect.gen(function* () {
      for (const junk of [null, -1, "", {}, ["x"], { prompt_tokens: "3", completion_tokens: -1 }]) {
        const choices = [{ ...choiceOf("yes"), finish_reason: junk, index: junk }, junk]
        const results = [{ text: "yes", finish_reason: junk, prompt_tokens: junk, completion_tokens: junk }, junk]
        const answer = { choices, results, model: junk, usage: junk, id: junk }
        for (const name of names) assert.deepStrictEqual(yield* answerOf(name, answer), { text: "yes" })
      }
    })
  )

  it.live("tells no usage when it is the made-up one of old versions", () =>
    Effect.gen(function* () {
      const usage = { prompt_tokens: 100, completion_tokens: 100, total_tokens: 200 }
      assert.deepStrictEqual(yield* answerOf("chat", { choices: [choiceOf("yes")], usage }), { text: "yes" })
      const honest = { prompt_tokens: 100, completion_tokens: 99, total_tokens: 199 }
      const { usage: told } = yield* answerOf("chat", { choices: [choiceOf("yes")], usage: honest })
      assert.deepStrictEqual(told, { promptTokens: 100, completionTokens: 99 })
    })
  )

  it.live("without a text is one that nobody can use, and no other path will help", () =>
    Effect.gen(function* () {
      for (const text of ["", " \n"]) {
        for (const name of names) {
          const error = yield* failureOf(name, { body: saying(name, text) })
          assert.deepInclude(error, { code: "backend_error", remedy: "give up" })
        }
      }
    })
  )

  it.live("that isn't JSON sends the request to the next endpoint", () =>
    Effect.gen(function* () {
      for (const raw of ["", "<html>", '{"choices":', "data: {}\n\n"]) {
        const error = yield* failureOf("chat", { raw })
        assert.deepInclude(error, { code: "api_response_format_error", remedy: "next" })
      }
    })
  )

  it.live("of another shape sends the request to the next endpoint", () =>
    Effect.gen(function* () {
      const shapes = [null, [], "yes", 5, {}, { choices: [] }, { choices: [{}] }, { results: [] }, { results: "yes" }]
      for (const body of [...shapes, { choices: [{ message: null, text: null }] }, { results: [{ text: ["yes"] }] }]) {
        for (const name of names) {
          const error = yield* failureOf(name, { raw: JSON.stringify(body) })
          assert.deepInclude(error, { code: "api_response_structure_error", remedy: "next" })
        }
      }
    })
  )

  it.live("with null for a text is no text", () =>
    Effect.gen(function* () {
      for (const name of names) {
        const error = yield* failureOf(name, { body: saying(name, null) })
        assert.deepInclude(error, { code: "api_response_structure_error", remedy: "next" })
      }
    })
  )

  it.live("with a byte order mark or another 2xx is an answer all the same", () =>
    Effect.gen(function* () {
      const text = JSON.stringify(saying("chat", "hello"))
      assert.strictEqual((yield* generationOf("chat", { raw: `\uFEFF${text}` })).text, "hello")
      assert.strictEqual((yield* generationOf("chat", { status: 201, raw: text })).text, "hello")
    })
  )

  it.live("of more than 16 MiB is not read to its end", () =>
    Effect.gen(function* () {
      const error = yield* failureOf("chat", { raw: JSON.stringify({ padding: "x".repeat(17 * 1024 * 1024) }) })
      assert.deepInclude(error, { code: "api_response_format_error", remedy: "give up" })
      const large = saying("chat", "x".repeat(7_000_000))
      assert.strictEqual((yield* answerOf("chat", large)).text.length, 7_000_000)
    })
  )

  it.live("never gets into the words of the error", () =>
    Effect.gen(function* () {
      for (const step of [
        { raw: "the prompt" },
        { status: 400, raw: "the prompt" },
        { body: { choices: "the prompt" } }
      ]) {
        const error = yield* failureOf("chat", step)
        assert.notInclude(`${error.message} ${error.details} ${JSON.stringify(error)}`, "the prompt")
      }
    })
  )
})
