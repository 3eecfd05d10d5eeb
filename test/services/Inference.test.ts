import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { CurrentRequest, RequestRecord } from "../../src/services/CurrentRequest.ts"
import { failsWith, says } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"
import { inferenceAbove } from "../support/InferenceHarness.ts"
import { parseMetrics, sampleValue } from "../support/Prometheus.ts"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe("Inference.onEvent", () => {
  it.effect("answers with the trimmed text, who answered, and what the backend told", () =>
    Effect.gen(function* () {
      const usage = { promptTokens: 3, completionTokens: 2 }
      const { ask } = yield* inferenceAbove({ chat: [says(" \n yes ", { model: "m", finishReason: "stop", usage })] })
      assert.deepStrictEqual(yield* ask({ id: 7, content: "p" }), {
        ...{ id: 7, text: "yes", backend: "fake", endpoint: "chat" },
        ...{ model: "m", finishReason: "stop", usage }
      })
    })
  )

  it.effect("gives an event without an id a new one each time", () =>
    Effect.gen(function* () {
      const { ask } = yield* inferenceAbove({ chat: [says("yes")] })
      const [one, other] = [yield* ask(), yield* ask()]
      assert.match(String(one.id), uuid)
      assert.notStrictEqual(one.id, other.id)
    })
  )

  it.effect("asks the backend for the prompt as it came, with the event's parameters", () =>
    Effect.gen(function* () {
      const { ask, backend } = yield* inferenceAbove({ chat: [says("yes")] })
      yield* ask({ content: { prompt: " p\n", max_tokens: 7 }, stop: "END" })
      const [attempt] = backend.attempts
      const parameters = { maxTokens: 7, temperature: 0.7, topP: 1, stop: ["END"] }
      assert.deepStrictEqual(attempt?.request, { _tag: "Prompt", prompt: " p\n", parameters })
    })
  )

  it.effect("doesn't trouble the backend with an event that holds no prompt", () =>
    Effect.gen(function* () {
      const { ask, backend, metrics } = yield* inferenceAbove({ chat: [says("yes")] })
      assert.strictEqual((yield* Effect.flip(ask({ content: null })))._tag, "PromptExtractionFailed")
      assert.strictEqual((yield* Effect.flip(ask("p")))._tag, "InvalidInputFormat")
      assert.strictEqual(backend.attempts.length, 0)
      assert.isUndefined(sampleValue(parseMetrics(yield* metrics.render), "ai_ticket_queue_wait_seconds_count"))
    })
  )

  it.effect("counts attempts by how they ended, retries, fallbacks and tokens", () =>
    Effect.gen(function* () {
      const usage = { promptTokens: 30, completionTokens: 20 }
      const busy = failsWith("api_server_error", "retry")
      const { ask, metrics } = yield* inferenceAbove({
        chat: [busy],
        completion: [failsWith("api_response_format_error", "next")],
        generate: [says("yes", { usage })]
      })
      const fiber = yield* forked(ask())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      const page = yield* metrics.render
      const attempts = (endpoint: string, outcome: string) =>
        sampleValue(parseMetrics(page), "ai_ticket_backend_attempts_total", { backend: "fake", endpoint, outcome })
      assert.strictEqual(attempts("chat", "api_server_error"), 3)
      assert.strictEqual(attempts("completion", "api_response_format_error"), 1)
      assert.strictEqual(attempts("generate", "success"), 1)
      assert.strictEqual(
        sampleValue(parseMetrics(page), "ai_ticket_backend_retries_total", { backend: "fake", endpoint: "chat" }),
        2
      )
      assert.strictEqual(
        sampleValue(parseMetrics(page), "ai_ticket_backend_retries_total", { backend: "fake", endpoint: "generate" }),
        0
      )
      assert.strictEqual(sampleValue(parseMetrics(page), "ai_ticket_backend_fallbacks_total", { backend: "fake" }), 2)
      const tokens = (direction: string) =>
        sampleValue(parseMetrics(page), "ai_ticket_tokens_total", { backend: "fake", direction })
      assert.deepStrictEqual([tokens("input"), tokens("output")], [30, 20])
    })
  )

  it.effect("times the line, the attempts and the first token", () =>
    Effect.gen(function* () {
      const slow = Effect.delay(says("yes"), "2 seconds")
      const { ask, metrics } = yield* inferenceAbove({ chat: [slow] })
      const record = new RequestRecord({ id: "r", traceId: "t", client: "1.1.1.1", startedAt: 0 })
      const first = yield* forked(ask())
      const second = yield* forked(Effect.provideService(ask(), CurrentRequest, record))
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.joinAll([first, second])
      assert.deepInclude(record, { queueMillis: 2000, backendMillis: 2000 })
      const page = yield* metrics.render
      assert.strictEqual(sampleValue(parseMetrics(page), "ai_ticket_queue_wait_seconds_sum"), 2)
      assert.strictEqual(
        sampleValue(parseMetrics(page), "ai_ticket_time_to_first_token_seconds_sum", { backend: "fake" }),
        6
      )
    })
  )

  it.effect("tells the time in line of a request that never got its slot", () =>
    Effect.gen(function* () {
      const { ask } = yield* inferenceAbove({ chat: [Effect.never] })
      yield* forked(Effect.ignore(ask()))
      const record = new RequestRecord({ id: "r", traceId: "t", client: "1.1.1.1", startedAt: 0 })
      const late = ask({ content: "p" }, { timeout: "3 seconds" })
      const fiber = yield* forked(Effect.flip(Effect.provideService(late, CurrentRequest, record)))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).code, "deadline_exceeded")
      assert.deepInclude(record, { queueMillis: 3000, backendMillis: 0 })
    })
  )

  it.effect("logs prompt and completion when asked to, and not otherwise", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const logger = Logger.make(({ fiber, message }) => {
        seen.push(JSON.stringify([message, fiber.getRef(References.CurrentLogAnnotations)]))
      })
      for (const [setting, times] of [
        ["false", 0],
        ["true", 1]
      ] as const) {
        const { ask } = yield* inferenceAbove({ chat: [says("the answer")] }, { AI_TICKET_LOG_CONTENT: setting })
        yield* Effect.provide(ask({ content: "the question" }), Logger.layer([logger]))
        for (const text of ["the question", "the answer"]) {
          assert.strictEqual(seen.filter((line) => line.includes(text)).length, times)
        }
      }
    })
  )
})
