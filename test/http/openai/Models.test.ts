import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { InternalServerError, NotFoundError } from "openai"
import { jsonIn, send } from "../../support/Http.ts"
import { asked, clientOf, collected, openAiService, refusedWith } from "../../support/OpenAi.ts"
import { parseMetrics, sampleValue } from "../../support/Prometheus.ts"

const model = { id: "koboldcpp/scripted", object: "model" as const, created: 1, owned_by: "koboldcpp" }

describe("models", () => {
  it.live("are those of the backend", () =>
    Effect.gen(function* () {
      const { client, url } = yield* openAiService()
      assert.deepStrictEqual(yield* collected(async () => client.models.list()), [model])
      assert.deepStrictEqual(jsonIn(yield* send(url, { path: "/v1/models" })), { object: "list", data: [model] })
    })
  )

  it.live("have all that OpenAI's have, whatever the backend tells of them", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      backend.script({ models: [{ body: { data: [{ id: "m" }] } }] })
      const before = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const { created, ...rest } = yield* asked(() => client.models.retrieve("m"))
      assert.deepStrictEqual(rest, { id: "m", object: "model", owned_by: "koboldcpp" })
      assert.isAtLeast(created, before)
    })
  )

  it.live("are found by their name, its slashes encoded or not", () =>
    Effect.gen(function* () {
      const { client, url } = yield* openAiService()
      assert.deepStrictEqual(yield* asked(() => client.models.retrieve(model.id)), model)
      const answer = yield* send(url, { path: `/v1/models/${model.id}` })
      assert.deepStrictEqual(jsonIn(answer), model)
    })
  )

  it.live("that aren't there are not found", () =>
    Effect.gen(function* () {
      const { client, url } = yield* openAiService()
      const error = yield* refusedWith(NotFoundError, () => client.models.retrieve("another"))
      assert.deepInclude({ ...error }, { code: "not_found", type: "not_found_error" })
      assert.strictEqual(error.message, "404 There is no such model.")
      for (const path of ["/v1/models/", "/v1/models/%zz", "/v1/models/%ff", "/v1/models/koboldcpp"]) {
        assert.strictEqual((yield* send(url, { path })).status, 404, path)
      }
    })
  )

  it.live("are unknown while the backend is down: that is an error, not an empty list", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      backend.script({ models: [{ reset: true }, {}] })
      const error = yield* refusedWith(InternalServerError, () => client.models.list())
      assert.deepInclude({ ...error }, { status: 502, code: "api_connection_error" })
      const patient = client.withOptions({ maxRetries: 2 })
      assert.deepStrictEqual(yield* collected(async () => patient.models.list()), [model])
    })
  )

  it.live("don't cost the backend a call for each question", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      yield* Effect.forEach(Array.from({ length: 20 }), () => asked(() => client.models.list()), { concurrency: 5 })
      assert.strictEqual(backend.lookups.length, 1)
    })
  )

  it.live("are for those who belong, and have one label", () =>
    Effect.gen(function* () {
      const { url } = yield* openAiService({ AI_TICKET_AUTH_TOKEN: "a-token" })
      const keyless = yield* send(url, { path: "/v1/models" })
      assert.strictEqual(keyless.status, 401)
      yield* asked(() => clientOf(url, { apiKey: "a-token" }).models.retrieve(model.id))
      const samples = parseMetrics((yield* send(url, { path: "/metrics" })).text)
      const labels = { method: "GET", endpoint: "/v1/models/{id}", status: "200" }
      assert.strictEqual(sampleValue(samples, "ai_ticket_http_requests_total", labels), 1)
    })
  )
})
