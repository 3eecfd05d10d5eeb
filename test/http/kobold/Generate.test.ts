import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { jsonIn, send } from "../../support/Http.ts"
import { Running, running, startService } from "../../support/Running.ts"
import { streamOf } from "../../support/ScriptedBackend.ts"
import { eventually } from "../../support/TestService.ts"
import { event, koboldClient, resultIn } from "./KoboldClient.ts"

it.layer(running(), { excludeTestServices: true })("POST /api/v1/generate", (it) => {
  for (const path of ["/api/v1/generate", "/api/latest/generate"]) {
    it.effect(`answers in KoboldCpp's shape, untrimmed, at ${path}`, () =>
      Effect.gen(function* () {
        const service = yield* Running
        const answer = yield* koboldClient(service).post(path, { prompt: "p" })
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(jsonIn(answer), {
          results: [{ text: " from generate ", tool_calls: [], finish_reason: "stop", logprobs: null }]
        })
        assert.strictEqual(answer.headers["x-request-processed-by"], "ai-ticket")
      })
    )
  }

  it.effect("sends the client's fields on as they came, with a key of our own", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* Running
      const fields = {
        prompt: "  Once\n",
        memory: "[Genre: noir]",
        max_length: 80,
        max_context_length: "2048",
        temperature: 0.7,
        rep_pen: 1.1,
        sampler_order: [6, 0, 1, 3, 4, 2, 5],
        stop_sequence: ["\nYou:"],
        trim_stop: true,
        unheard_of: { deep: [null, true, "😀"] }
      }
      yield* koboldClient(service).generate({ ...fields, genkey: "KCPP1234" })
      const { genkey, stream, ...sent } = backend.calls.at(-1)?.body ?? {}
      assert.deepStrictEqual(sent, fields)
      assert.match(String(genkey), /^ai-ticket-[0-9a-f-]{36}$/)
      assert.strictEqual(stream, true)
    })
  )

  it.effect("reads the body whatever its content type, and takes no prompt for an empty one", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* Running
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json"]) {
        const answer = yield* send(url, {
          method: "POST",
          path: "/api/v1/generate",
          headers: { "content-type": type },
          body: '{"max_length":1}'
        })
        assert.strictEqual(answer.status, 200, type)
        assert.strictEqual(backend.calls.at(-1)?.prompt, "")
      }
    })
  )

  const refused: Readonly<Record<string, readonly [body: string, status: number, message: string]>> = {
    "no body": ["", 400, "The request is not one that ai-ticket understands: the body is empty."],
    "a body that is not JSON": ["{", 400, "The request is not one that ai-ticket understands: the body is not JSON."],
    "a list": ["[]", 400, "The body must be a JSON object."],
    "null for a body": ["null", 400, "The body must be a JSON object."],
    "a prompt that is a list": ['{"prompt":["p"]}', 422, "prompt must be a string."],
    "a prompt that is null": ['{"prompt":null}', 422, "prompt must be a string."],
    "a key that is a number": ['{"genkey":1234}', 422, "genkey must be a string of 256 characters at most."],
    "a key that is null": ['{"genkey":null}', 422, "genkey must be a string of 256 characters at most."],
    "a key without end": [`{"genkey":"${"x".repeat(257)}"}`, 422, "genkey must be a string of 256 characters at most."],
    "rep_pen null": ['{"rep_pen":null}', 422, "rep_pen must be a number."],
    "a length in words": ['{"max_length":"eight"}', 422, "max_length must be a number."],
    "a list of temperatures": ['{"temperature":[1]}', 422, "temperature must be a number."]
  }
  for (const [name, [body, status, msg]] of Object.entries(refused)) {
    for (const path of ["/api/v1/generate", "/api/extra/generate/stream"]) {
      it.effect(`refuses ${name} at ${path}, where KoboldCpp would hang or say nothing`, () =>
        Effect.gen(function* () {
          const { backend, ...service } = yield* Running
          const before = backend.calls.length
          const answer = yield* koboldClient(service).post(path, body)
          assert.strictEqual(answer.status, status)
          const { detail } = jsonIn(answer)
          assert.deepInclude(detail, { msg, type: "bad_input" })
          assert.strictEqual(backend.calls.length, before)
        })
      )
    }
  }

  const unsound = [
    '{"prompt":"\\ud800"}',
    '{"memory":"\\udc00x"}',
    '{"x":1e999}',
    `{"x":${"[".repeat(9e4)}${"]".repeat(9e4)}}`
  ]
  for (const body of unsound) {
    it.effect(`refuses what can't be sent on: ${body.slice(0, 30)}`, () =>
      Effect.gen(function* () {
        const service = yield* Running
        const answer = yield* koboldClient(service).post("/api/v1/generate", body)
        assert.strictEqual(answer.status, 400)
        assert.deepInclude(jsonIn(answer)["detail"], { type: "bad_input", error: "invalid_request" })
      })
    )
  }
})

describe("POST /api/v1/generate", () => {
  it.live("gives back an empty text, and one of white space", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      const client = koboldClient(service)
      for (const text of ["", " \n"]) {
        backend.script({ generate: [{ pieces: [...(text === "" ? [] : [event(text)]), event("", "length")] }] })
        const answer = yield* client.generate()
        assert.strictEqual(answer.status, 200)
        assert.deepInclude(resultIn(answer), { text, finish_reason: "length" })
      }
    })
  )

  it.live("tells how many tokens there were when the backend does", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      const results = [{ text: "x", finish_reason: "length", prompt_tokens: 14, completion_tokens: 24 }]
      backend.script({ generate: [{ body: { results } }] })
      assert.deepInclude(resultIn(yield* koboldClient(service).generate()), {
        prompt_tokens: 14,
        completion_tokens: 24
      })
    })
  )

  it.live("is retried up to the first token, and told in KoboldCpp's shape when that doesn't help", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      const client = koboldClient(service)
      backend.script({ generate: [{ status: 503 }, {}] })
      assert.strictEqual((yield* client.generate()).status, 200)
      backend.script({ generate: [{ status: 500 }] })
      const answer = yield* client.generate()
      assert.strictEqual(answer.status, 502)
      assert.deepStrictEqual(jsonIn(answer), {
        detail: {
          msg: "The backend failed: koboldcpp, generate: it answered 500.",
          type: "service_unavailable",
          error: "api_server_error"
        }
      })
      assert.deepStrictEqual([...new Set(backend.calls.map(({ endpoint }) => endpoint))], ["generate"])
    })
  )

  it.live("fails when the backend breaks off in the middle, and aborts there", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService()
      backend.script({ generate: [{ pieces: streamOf("generate").slice(0, 1), after: "reset" }] })
      const answer = yield* koboldClient(service).generate()
      assert.strictEqual(answer.status, 502)
      assert.deepInclude(jsonIn(answer)["detail"], { error: "api_connection_error" })
      yield* eventually(() => backend.aborts.length === 1)
    })
  )

  it.live("keeps to the time that its client gives it", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      backend.script({ generate: [{ hang: true }] })
      const answer = yield* send(url, {
        method: "POST",
        path: "/api/v1/generate",
        headers: { "x-request-timeout": "0.05" },
        body: '{"prompt":"p"}'
      })
      assert.strictEqual(answer.status, 504)
      assert.deepInclude(jsonIn(answer)["detail"], { error: "deadline_exceeded", type: "service_unavailable" })
    })
  )
})
