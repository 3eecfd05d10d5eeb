import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type EndpointName, type Step, scriptedBackend, streamOf } from "../support/ScriptedBackend.ts"
import { eventually, jsonOf, postEvent, testService } from "../support/TestService.ts"

const setUp = (steps: Partial<Record<EndpointName, ReadonlyArray<Step>>>, settings: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const backend = yield* scriptedBackend
    backend.script(steps)
    const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, ...settings })
    const ask = (event: object = {}) => postEvent(service.url, { content: "p", stream: true, ...event })
    return { ask, backend, service }
  })

const textOf = (response: Response) => Effect.promise(() => response.text())

const whole = [
  'data: {"delta":" from","done":false}',
  'data: {"delta":" chat ","done":false}',
  'data: {"delta":"","done":true,"completion_tokens":2,"finish_reason":"stop"}'
]

describe("POST /event with stream", () => {
  it.live("answers with the tokens as they come, and a last event", () =>
    Effect.gen(function* () {
      const { ask, backend } = yield* setUp({})
      const response = yield* ask()
      assert.strictEqual(response.status, 200)
      assert.strictEqual(yield* textOf(response), `${whole.join("\n\n")}\n\n`)
      assert.strictEqual(response.headers.get("content-type"), "text/event-stream; charset=utf-8")
      assert.strictEqual(response.headers.get("cache-control"), "no-cache")
      assert.strictEqual(response.headers.get("x-accel-buffering"), "no")
      assert.strictEqual(response.headers.get("x-request-processed-by"), "ai-ticket")
      assert.strictEqual(backend.aborts.length, 0)
      assert.include(backend.calls[0]?.body, { stream: true })
    })
  )

  it.live("answers a failure before the first token as any other", () =>
    Effect.gen(function* () {
      const { ask } = yield* setUp({ chat: [{ status: 400 }] })
      const response = yield* ask()
      assert.deepInclude(yield* jsonOf(response), { error: "api_client_error", status_code: 502 })
      assert.strictEqual(response.status, 502)
    })
  )

  it.live("tells of a failure after it in a last event, and aborts what may still be generated", () =>
    Effect.gen(function* () {
      const { ask, backend } = yield* setUp({ chat: [{ pieces: streamOf("chat").slice(0, 1), after: "reset" }] })
      const events = (yield* textOf(yield* ask())).trimEnd().split("\n\n")
      assert.strictEqual(events[0], whole[0])
      assert.deepInclude(JSON.parse(events[1]?.slice(6) ?? ""), { error: "api_connection_error", done: true })
      yield* eventually(() => backend.aborts.length > 0)
      assert.deepStrictEqual(
        backend.aborts.map(({ genkey }) => genkey),
        [backend.calls[0]?.body["genkey"]]
      )
    })
  )
})
