import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { send, sendEvent } from "../support/Http.ts"
import { exportingTo, otlpReceiver } from "../support/OtlpReceiver.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

describe("prompts and completions", () => {
  const attemptWith = (settings: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { url } = yield* startService({ ...exportingTo(collector), ...settings })
      yield* sendEvent(url, { content: { prompt: "who?", stop: ["halt"] } })
      yield* eventually(() => collector.spans().length >= 2)
      return collector.spans().find(({ kind }) => kind === "client")?.attributes ?? {}
    })

  it.live("are in the spans of attempts when told", () =>
    Effect.gen(function* () {
      const attributes = yield* attemptWith({ OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: "SPAN_ONLY" })
      assert.deepStrictEqual(JSON.parse(String(attributes["gen_ai.input.messages"])), [
        { role: "user", parts: [{ type: "text", content: "who?" }] }
      ])
      assert.deepInclude(JSON.parse(String(attributes["gen_ai.output.messages"]))[0], {
        role: "assistant",
        parts: [{ type: "text", content: " from chat " }]
      })
      assert.deepStrictEqual(attributes["gen_ai.request.stop_sequences"], ["halt"])
    })
  )

  it.live("are those of a chat, message by message", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { url } = yield* startService({
        ...exportingTo(collector),
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: "true"
      })
      const messages = [
        { role: "system", content: "be brief" },
        { role: "user", content: "who?" }
      ]
      yield* send(url, {
        ...{ method: "POST", path: "/v1/chat/completions", headers: { "content-type": "application/json" } },
        body: JSON.stringify({ messages })
      })
      yield* eventually(() => collector.spans().length >= 2)
      const attributes = collector.spans().find(({ kind }) => kind === "client")?.attributes ?? {}
      assert.deepStrictEqual(
        JSON.parse(String(attributes["gen_ai.input.messages"])),
        messages.map(({ content, role }) => ({ role, parts: [{ type: "text", content }] }))
      )
    })
  )

  it.live("are in the log's lines as they were sent, when told", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const { url } = yield* startService({ ...exportingTo(collector), AI_TICKET_LOG_CONTENT: "true" })
      const messages = [{ role: "user", content: "who?" }]
      yield* send(url, {
        ...{ method: "POST", path: "/v1/chat/completions", headers: { "content-type": "application/json" } },
        body: JSON.stringify({ messages })
      })
      const told = () => collector.logs().find(({ attributes }) => "prompt" in attributes)
      yield* eventually(() => told() !== undefined)
      assert.deepStrictEqual(JSON.parse(String(told()?.attributes["prompt"])), messages)
    })
  )

  it.live("are nowhere otherwise", () =>
    Effect.gen(function* () {
      const attributes = yield* attemptWith({})
      for (const word of ["who?", "from chat", "halt"]) assert.notInclude(JSON.stringify(attributes), word)
    })
  )
})
