import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GenerationRequest } from "../../../../src/domain/Generation.ts"
import { defaultSampling } from "../../../../src/domain/SamplingParameters.ts"
import * as OpenAiServer from "../../../../src/services/backends/openai/OpenAiServer.ts"
import { Transport } from "../../../../src/services/backends/Transport.ts"
import { Deadline } from "../../../../src/services/Deadline.ts"
import { none } from "../../../../src/services/Ending.ts"
import type { BackendTarget } from "../../../../src/services/InferenceBackend.ts"
import { monotonicMillis } from "../../../../src/services/MonotonicClock.ts"
import { Slot } from "../../../../src/services/WaitingLine.ts"
import { scriptedBackend } from "../../../support/ScriptedBackend.ts"
import { eventually } from "../../../support/TestService.ts"

const prompt: GenerationRequest = { _tag: "Prompt", prompt: "p", parameters: { ...defaultSampling, model: "asked" } }

const setUp = (target: Partial<BackendTarget> = {}) =>
  Effect.gen(function* () {
    const server = yield* scriptedBackend
    const context = yield* Layer.build(Transport.layer)
    const url = server.url.replace(/\/api$/, "/v1")
    const backend = yield* Effect.provideContext(OpenAiServer.make({ name: "vllm", url, ...target }), context)
    const slot = yield* Scope.make()
    const [chat, completion] = backend.endpoints
    if (completion === undefined) return yield* Effect.die("two endpoints")
    const withSlot = Effect.provideService(Slot, slot)
    return {
      server,
      backend,
      ask: (request: GenerationRequest = prompt) => withSlot(chat.attempt(request)),
      complete: (request: GenerationRequest) => withSlot(completion.attempt(request)),
      stream: Stream.unwrap(
        Effect.map(withSlot(chat.begin(prompt, none)), ({ parts }) => Stream.fromPull(Effect.succeed(parts)))
      )
    }
  })

describe("a server that speaks OpenAI's protocol", () => {
  it.live("is asked below its own URL, with its key, for the model that a request names", () =>
    Effect.gen(function* () {
      const { ask, server } = yield* setUp({ key: Redacted.make("open-sesame") })
      assert.strictEqual((yield* ask()).text, " from chat ")
      const [call] = server.calls
      assert.strictEqual(call?.headers.authorization, "Bearer open-sesame")
      const messages = [{ role: "user", content: "p" }]
      assert.deepStrictEqual(call?.body, { messages, max_tokens: 150, temperature: 0.7, top_p: 1, model: "asked" })
    })
  )

  it.live("is asked for the one model that its settings name, if they do", () =>
    Effect.gen(function* () {
      const { ask, server } = yield* setUp({ model: "own" })
      yield* ask()
      assert.strictEqual(server.calls[0]?.body["model"], "own")
    })
  )

  it.live("is told how much of the request's time is left, and that anew in each attempt", () =>
    Effect.gen(function* () {
      const { ask, server, stream } = yield* setUp()
      yield* ask()
      const deadline = (yield* monotonicMillis) + 5000
      yield* Effect.provideService(Effect.andThen(ask(), Stream.runDrain(stream)), Deadline, deadline)
      yield* Effect.provideService(ask(), Deadline, deadline - 6000)
      const [without, ...told] = server.calls.map(({ headers }) => headers["x-request-timeout"])
      assert.isUndefined(without)
      const [first, second, last] = told.map(Number)
      assert.isTrue(Number(first) <= 5 && Number(first) > 4, `${first}`)
      assert.isTrue(Number(second) < Number(first) && Number(second) > 4, `${second}`)
      assert.strictEqual(last, 0.001)
    })
  )

  it.live("streams, and is asked to count", () =>
    Effect.gen(function* () {
      const { server, stream } = yield* setUp()
      const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }
      const chunk = (fields: object) => `data: ${JSON.stringify({ model: "m", ...fields })}\n\n`
      const said = (content: string) => chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
      server.script({
        chat: [
          {
            pieces: [
              ...[said("y"), said("es")],
              chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
              chunk({ choices: [], usage }),
              "data: [DONE]\n\n"
            ]
          }
        ]
      })
      assert.deepStrictEqual(yield* Stream.runCollect(stream), [
        { _tag: "Text", text: "y", tokens: 1 },
        { _tag: "Text", text: "es", tokens: 1 },
        { _tag: "End", finishReason: "stop", usage: { promptTokens: 5, completionTokens: 2 } }
      ])
      assert.deepInclude(server.calls[0]?.body, { stream: true, stream_options: { include_usage: true } })
    })
  )

  it.live("hears that nobody waits any more by its connection, and by nothing else", () =>
    Effect.gen(function* () {
      const { ask, server } = yield* setUp()
      server.script({ chat: [{ hang: true }] })
      const fiber = yield* Effect.forkChild(ask())
      yield* eventually(() => server.calls.length === 1)
      fiber.interruptUnsafe()
      yield* eventually(() => server.calls[0]?.closedEarlyAt !== undefined)
      assert.strictEqual(server.aborts.length, 0)
    })
  )

  it.live("understands what clients of KoboldCpp ask for", () =>
    Effect.gen(function* () {
      const { complete, server } = yield* setUp()
      const fields = { max_length: 9, rep_pen: 1.1, stop_sequence: ["END"], sampler_seed: 3, mirostat: 2 }
      assert.strictEqual((yield* complete({ _tag: "Native", prompt: "p", fields })).text, " from completion ")
      assert.deepStrictEqual(server.calls[0]?.body, {
        ...{ prompt: "p", max_tokens: 9, repetition_penalty: 1.1, stop: ["END"], seed: 3 }
      })
    })
  )

  it.live("refuses in its own words, which are told in ours", () =>
    Effect.gen(function* () {
      const { ask, server } = yield* setUp()
      server.script({ chat: [{ status: 401, body: { error: { message: "Incorrect API key: secret" } } }] })
      const error = yield* Effect.flip(ask())
      assert.deepStrictEqual([error.code, error.remedy], ["api_authentication_error", "give up"])
      assert.notInclude(error.details, "secret")
    })
  )

  it.live("says what it runs, and is up while it answers", () =>
    Effect.gen(function* () {
      const { backend } = yield* setUp()
      assert.isAbove((yield* backend.models).length, 0)
      assert.deepStrictEqual(yield* backend.status, { reachable: true })
      const { backend: gone } = yield* setUp({ url: "http://127.0.0.1:1/v1" })
      assert.deepStrictEqual(yield* gone.status, { reachable: false })
    })
  )
})
