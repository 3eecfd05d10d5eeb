import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  UnprocessableEntityError
} from "openai"
import { type ErrorCode, errorCatalogue } from "../../../src/domain/ErrorCatalogue.ts"
import { type Incoming, jsonIn, send } from "../../support/Http.ts"
import { asked, clientOf, openAiService, refusedWith } from "../../support/OpenAi.ts"
import { startService } from "../../support/Running.ts"
import { eventually } from "../../support/TestService.ts"

const request = { model: "m", messages: [{ role: "user" as const, content: "hi" }] }
const token = "a-token-for-tests"

/** Holds an answer to OpenAI's shape: four fields, and the status of the code. */
const assertOpenAiError = (answer: Incoming, code: ErrorCode) => {
  assert.strictEqual(answer.status, errorCatalogue[code].status, answer.text)
  assert.match(answer.headers["content-type"] ?? "none", /^application\/json/)
  const body = jsonIn(answer)
  assert.deepStrictEqual(Object.keys(body), ["error"])
  const error = body["error"] as Record<string, unknown>
  assert.deepStrictEqual(Object.keys(error), ["message", "type", "param", "code"])
  assert.strictEqual(error["code"], code)
  assert.match(String(error["message"]), /^[A-Za-z].*\.$/)
  return error
}

describe("an error, as the client's class", () => {
  it.live("AuthenticationError without a key, PermissionDeniedError with a wrong one", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_AUTH_TOKEN: token })
      const without = clientOf(url, { fetch: (input, init) => fetch(input, { ...init, headers: keyless(init) }) })
      const missing = yield* refusedWith(AuthenticationError, () => without.chat.completions.create(request))
      assert.deepInclude({ ...missing }, { status: 401, code: "unauthorised", type: "authentication_error" })
      assert.strictEqual(missing.headers.get("www-authenticate"), "Bearer")
      const wrong = clientOf(url, { apiKey: "wrong" })
      const refused = yield* refusedWith(PermissionDeniedError, () => wrong.chat.completions.create(request))
      assert.deepInclude({ ...refused }, { status: 403, code: "forbidden", type: "permission_error" })
      const right = clientOf(url, { apiKey: token })
      const { choices } = yield* asked(() => right.chat.completions.create(request))
      assert.strictEqual(choices[0]?.message.content, " from chat ")
    })
  )

  it.live("BadRequestError and UnprocessableEntityError, with the parameter's name", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      const several = yield* refusedWith(BadRequestError, () => client.chat.completions.create({ ...request, n: 2 }))
      assert.deepInclude({ ...several }, { code: "invalid_request", type: "invalid_request_error", param: "n" })
      assert.include(several.message, "n must be 1")
      const empty = yield* refusedWith(BadRequestError, () =>
        client.chat.completions.create({ ...request, messages: [] })
      )
      assert.strictEqual(empty.param, "messages")
      const tokens = yield* refusedWith(BadRequestError, () =>
        client.completions.create({ model: "m", prompt: [1, 2] })
      )
      assert.strictEqual(tokens.param, "prompt")
      const hot = yield* refusedWith(UnprocessableEntityError, () =>
        client.chat.completions.create({ ...request, temperature: 3 })
      )
      assert.deepInclude({ ...hot }, { status: 422, code: "invalid_parameter", param: "temperature" })
      assert.strictEqual(hot.message, "422 temperature must be a number from 0 to 2.")
      assert.strictEqual(backend.calls.length, 0)
    })
  )

  it.live("RateLimitError over the limit", () =>
    Effect.gen(function* () {
      const { client } = yield* openAiService({ RATE_LIMIT_REQUESTS: "1" })
      yield* asked(() => client.chat.completions.create(request))
      const error = yield* refusedWith(RateLimitError, () => client.chat.completions.create(request))
      assert.deepInclude({ ...error }, { status: 429, code: "rate_limited", type: "rate_limit_error" })
      assert.isAtLeast(Number(error.headers.get("retry-after")), 1)
    })
  )

  it.live("InternalServerError when the backend fails, streamed or not", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      backend.script({ chat: [{ status: 500 }], completion: [{ status: 401 }] })
      for (const stream of [false, true]) {
        const error = yield* refusedWith(InternalServerError, () =>
          client.chat.completions.create({ ...request, stream })
        )
        assert.deepInclude({ ...error }, { status: 502, code: "api_server_error", type: "server_error", param: null })
        assert.include(error.message, "koboldcpp, chat: it answered 500.")
      }
      const refused = yield* refusedWith(InternalServerError, () =>
        client.completions.create({ model: "m", prompt: "p" })
      )
      assert.strictEqual(refused.code, "api_authentication_error")
      assert.strictEqual(refused.headers.get("x-should-retry"), "false")
    })
  )

  it.live("InternalServerError when the time is up, not to be tried again", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService()
      backend.script({ chat: [{ hang: true }] })
      const error = yield* refusedWith(InternalServerError, () =>
        client.chat.completions.create(request, { headers: { "x-request-timeout": "0.1" } })
      )
      assert.deepInclude({ ...error }, { status: 504, code: "deadline_exceeded" })
      assert.strictEqual(error.headers.get("x-should-retry"), "false")
    })
  )

  it.live("InternalServerError when the line is full, with the time to come back", () =>
    Effect.gen(function* () {
      const { backend, client } = yield* openAiService({ AI_TICKET_QUEUE_LIMIT: "0" })
      backend.script({ chat: [{ hang: true }] })
      const first = yield* Effect.forkScoped(
        asked(() => client.chat.completions.create(request)),
        { startImmediately: true }
      )
      yield* eventually(() => backend.calls.length === 1)
      const error = yield* refusedWith(InternalServerError, () => client.chat.completions.create(request))
      assert.deepInclude({ ...error }, { status: 503, code: "overloaded" })
      assert.isAtLeast(Number(error.headers.get("retry-after")), 1)
      assert.isNull(error.headers.get("x-should-retry"))
      backend.release()
      yield* Fiber.join(first)
    })
  )

  it.live("NotFoundError for what isn't there", () =>
    Effect.gen(function* () {
      const { client } = yield* openAiService()
      const error = yield* refusedWith(NotFoundError, () => client.embeddings.create({ model: "m", input: "hi" }))
      assert.deepInclude({ ...error }, { code: "not_found", type: "not_found_error" })
      assert.instanceOf(error, APIError)
    })
  )
})

/** The header fields of a request, but for the key. */
const keyless = (init: RequestInit | undefined) => {
  const headers = new Headers(init?.headers)
  headers.delete("authorization")
  return headers
}

describe("an error under /v1/", () => {
  const json = { "content-type": "application/json" }

  it.live("is of OpenAI's shape, whatever refuses the request", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_MAX_BODY_BYTES: "1000" })
      const path = "/v1/chat/completions"
      const post = (body: string, headers: Readonly<Record<string, string>> = json) =>
        send(url, { method: "POST", path, headers, body })
      assertOpenAiError(yield* post("nonsense"), "invalid_request")
      assertOpenAiError(yield* post("[]"), "invalid_request")
      assertOpenAiError(yield* post("{}", {}), "invalid_request")
      assertOpenAiError(yield* post(JSON.stringify("x".repeat(2000))), "payload_too_large")
      const timed = { ...json, "x-request-timeout": "soon" }
      assert.strictEqual(assertOpenAiError(yield* post("{}", timed), "invalid_parameter")["param"], "X-Request-Timeout")
      assertOpenAiError(yield* send(url, { path: "/v1/nothing" }), "not_found")
      const got = yield* send(url, { path })
      assertOpenAiError(got, "method_not_allowed")
      assert.strictEqual(got.headers["allow"], "POST")
    })
  )

  it.live("of a body that is nested without end is no crash", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      const nest = `${"[".repeat(200_000)}${"]".repeat(200_000)}`
      const body = `{"messages":[{"role":"user","content":"hi"}],"anything":${nest}}`
      assertOpenAiError(
        yield* send(url, { method: "POST", path: "/v1/chat/completions", headers: json, body }),
        "invalid_request"
      )
      assert.strictEqual(backend.calls.length, 0)
    })
  )

  it.live("elsewhere stays as it is", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      for (const path of ["/v1", "/v2/chat/completions", "/event/v1/"]) {
        assert.strictEqual(jsonIn(yield* send(url, { path }))["error"], "not_found")
      }
    })
  )
})
