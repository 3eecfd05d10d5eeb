import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { asked, collected, openAiService } from "../../support/OpenAi.ts"

const request = { model: "asked-for", prompt: " Once upon " }

describe("completions.create", () => {
  it.live("answers with one text and its usage", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      const { created, id, ...rest } = yield* asked(() => client.completions.create(request))
      assert.match(id, /^cmpl-[0-9a-f]{32}$/)
      assert.isTrue(Number.isInteger(created))
      assert.deepStrictEqual(rest, {
        object: "text_completion",
        model: "koboldcpp/scripted",
        choices: [{ text: " from completion ", index: 0, logprobs: null, finish_reason: "stop" }],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
      })
      const { genkey, ...sent } = backend.calls[0]?.body ?? {}
      assert.deepStrictEqual(sent, request)
      assert.match(String(genkey), /^ai-ticket-/)
    })
  )

  it.live("takes a list of one prompt, a stop and a limit", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      yield* asked(() => client.completions.create({ ...request, prompt: ["Once"], stop: ["\n"], max_tokens: 4 }))
      assert.deepInclude(backend.calls[0]?.body, { prompt: "Once", stop: ["\n"], max_tokens: 4 })
      assert.strictEqual(backend.calls[0]?.endpoint, "completion")
    })
  )

  it.live("streams, with the usage at the end where it is asked for", () =>
    Effect.gen(function* () {
      const { client } = yield* openAiService()
      const streamed = { ...request, stream: true as const }
      const plain = yield* collected(() => client.completions.create(streamed))
      const last: ReadonlyArray<string | null> = plain.map(({ choices }) => choices[0]?.finish_reason ?? null)
      assert.deepStrictEqual(last, [null, null, "stop"])
      assert.deepStrictEqual(
        plain.map(({ choices }) => choices[0]?.text),
        [" from", " completion ", ""]
      )
      const usage = { stream_options: { include_usage: true } }
      const counted = yield* collected(() => client.completions.create({ ...streamed, ...usage }))
      assert.deepStrictEqual(counted.at(-1)?.choices, [])
      assert.deepStrictEqual(counted.at(-1)?.usage, { prompt_tokens: 0, completion_tokens: 2, total_tokens: 2 })
      assert.isTrue(counted.slice(0, -1).every((chunk) => chunk.usage === null))
    })
  )
})
