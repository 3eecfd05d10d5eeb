import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { jsonIn } from "../../support/Http.ts"
import { startService } from "../../support/Running.ts"
import { streamOf } from "../../support/ScriptedBackend.ts"
import { eventually } from "../../support/TestService.ts"
import { event, koboldClient, over } from "./KoboldClient.ts"

describe("POST /api/extra/generate/stream", () => {
  it.live("is KoboldCpp's stream, to the byte", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      backend.script({
        generate: [{ pieces: [event("\n"), event(' "Grüß'), event(" dich\\ 😀"), event("", "length")] }]
      })
      const answer = yield* koboldClient(service).stream()
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")
      assert.strictEqual(
        answer.text,
        [
          'event: message\ndata: {"token": "\\n", "finish_reason": null}\n\n',
          'event: message\ndata: {"token": " \\"Grüß", "finish_reason": null}\n\n',
          'event: message\ndata: {"token": " dich\\\\ 😀", "finish_reason": null}\n\n',
          'event: message\ndata: {"token": "", "finish_reason": "length"}\n\n'
        ].join("")
      )
    })
  )

  it.live("is the same for the older version, which tells the reason with the last token", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      backend.script({ generate: [{ pieces: [event("one", "null"), event(" two", "stop")] }] })
      const { text } = yield* koboldClient(service).stream()
      assert.strictEqual(text, event("one") + event(" two") + event("", "stop"))
    })
  )

  it.live("has one event at least", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      backend.script({ generate: [{ pieces: [event("", "stop")] }] })
      assert.strictEqual((yield* koboldClient(service).stream()).text, event("", "stop"))
    })
  )

  it.live("comes as it is generated", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      backend.script({ generate: [{ pieces: [event("one")], after: "hang" }] })
      const client = koboldClient(service)
      const answer = yield* Effect.forkScoped(client.stream({ genkey: "K" }))
      yield* eventually(() => backend.calls.length === 1)
      for (let text = ""; text !== "one"; ) text = yield* client.check("K")
      backend.feed(event(" two"))
      for (let text = ""; text !== "one two"; ) text = yield* client.check("K")
      backend.feed(over)
      assert.strictEqual((yield* Fiber.join(answer)).text, event("one") + event(" two") + event("", "stop"))
    })
  )

  it.live("is an ordinary error before the first token", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      backend.script({ generate: [{ status: 400 }] })
      const answer = yield* koboldClient(service).stream()
      assert.strictEqual(answer.status, 502)
      assert.deepInclude(jsonIn(answer)["detail"], { error: "api_client_error" })
    })
  )

  it.live("tells of an error after it in a last event, and aborts what may still be generated", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      backend.script({ generate: [{ pieces: streamOf("generate", "one two").slice(0, 1), after: "reset" }] })
      const { status, text } = yield* koboldClient(service).stream()
      assert.strictEqual(status, 200)
      const detail = {
        msg: "The connection to the backend failed: koboldcpp, generate: the connection closed before the whole answer had come.",
        type: "service_unavailable",
        error: "api_connection_error"
      }
      const last = `event: message\ndata: {"token": "", "finish_reason": "error", "detail": ${JSON.stringify(detail)}}\n\n`
      assert.strictEqual(text, event("one") + last)
      yield* eventually(() => backend.aborts.length === 1)
    })
  )
})
