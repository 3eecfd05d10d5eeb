import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultSampling, type SamplingParameters } from "../../../../src/domain/SamplingParameters.ts"
import { koboldCppAt, plainRequest } from "../../../support/KoboldCppHarness.ts"
import { type EndpointName, scriptedBackend } from "../../../support/ScriptedBackend.ts"

const everything: SamplingParameters = {
  ...{ maxTokens: 7, temperature: 0.1, topP: 0.2, topK: 3, stop: ["END", "\n"], seed: 4, model: "m" }
}
const names: ReadonlyArray<EndpointName> = ["chat", "completion", "generate"]

const setUp = (settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const backend = yield* scriptedBackend
    const { attempt, backend: port } = yield* koboldCppAt(backend.url, settings)
    const sent = Effect.fnUntraced(function* (name: EndpointName, parameters: SamplingParameters) {
      yield* attempt(name, { _tag: "Prompt", prompt: " p\n", parameters })
      const { genkey, ...body } = backend.calls.at(-1)?.body ?? {}
      assert.match(String(genkey), /^ai-ticket-[0-9a-f-]{36}$/)
      return body
    })
    return { attempt, backend, port, sent }
  })

describe("what KoboldCpp is asked", () => {
  it.live("its endpoints, in order of preference", () =>
    Effect.gen(function* () {
      const { port } = yield* setUp()
      assert.deepStrictEqual<unknown>(
        port.endpoints.map(({ name }) => name),
        names
      )
    })
  )

  it.live("in chat, a user's message and the parameters in OpenAI's names", () =>
    Effect.gen(function* () {
      const { sent } = yield* setUp()
      const messages = [{ role: "user", content: " p\n" }]
      const least = { messages, max_tokens: 150, temperature: 0.7, top_p: 1 }
      assert.deepStrictEqual(yield* sent("chat", defaultSampling), least)
      assert.deepStrictEqual(yield* sent("chat", everything), {
        ...{ messages, max_tokens: 7, temperature: 0.1, top_p: 0.2 },
        ...{ top_k: 3, stop: ["END", "\n"], seed: 4, model: "m" }
      })
    })
  )

  it.live("in a completion, the prompt as text", () =>
    Effect.gen(function* () {
      const { sent } = yield* setUp()
      const least = { prompt: " p\n", max_tokens: 150, temperature: 0.7, top_p: 1 }
      assert.deepStrictEqual(yield* sent("completion", defaultSampling), least)
      assert.deepStrictEqual(yield* sent("completion", everything), {
        ...{ prompt: " p\n", max_tokens: 7, temperature: 0.1, top_p: 0.2 },
        ...{ top_k: 3, stop: ["END", "\n"], seed: 4, model: "m" }
      })
    })
  )

  it.live("natively, in names of its own", () =>
    Effect.gen(function* () {
      const { sent } = yield* setUp()
      const least = { prompt: " p\n", max_length: 150, temperature: 0.7, top_p: 1, trim_stop: true }
      assert.deepStrictEqual(yield* sent("generate", defaultSampling), least)
      assert.deepStrictEqual(yield* sent("generate", everything), {
        ...{ prompt: " p\n", max_length: 7, temperature: 0.1, top_p: 0.2, trim_stop: true },
        ...{ top_k: 3, stop_sequence: ["END", "\n"], sampler_seed: 4 }
      })
    })
  )

  it.live("each attempt with a genkey of its own", () =>
    Effect.gen(function* () {
      const { attempt, backend } = yield* setUp()
      for (const name of [...names, ...names]) yield* attempt(name)
      assert.strictEqual(new Set(backend.calls.map(({ body }) => body["genkey"])).size, 6)
    })
  )

  it.live("with the length of the body, since old versions can't read it in chunks", () =>
    Effect.gen(function* () {
      const { attempt, backend } = yield* setUp()
      yield* attempt("chat", { ...plainRequest, prompt: "ü".repeat(100_000) })
      const [call] = backend.calls
      assert.isAbove(Number(call?.headers["content-length"]), 200_000)
      assert.notProperty(call?.headers, "transfer-encoding")
    })
  )

  it.live("with the password, if it has one", () =>
    Effect.gen(function* () {
      const open = yield* setUp()
      yield* open.attempt("chat")
      assert.notProperty(open.backend.calls[0]?.headers, "authorization")
      const locked = yield* setUp({ AI_TICKET_KOBOLDCPP_API_KEY: "open-sesame" })
      for (const name of names) yield* locked.attempt(name)
      for (const { headers } of locked.backend.calls) assert.strictEqual(headers.authorization, "Bearer open-sesame")
    })
  )

  it.live("without the trace it belongs to", () =>
    Effect.gen(function* () {
      const { attempt, backend } = yield* setUp()
      yield* Effect.withSpan(attempt("chat"), "request")
      for (const header of ["traceparent", "tracestate", "b3", "x-b3-traceid"]) {
        assert.notProperty(backend.calls[0]?.headers, header)
      }
    })
  )
})
