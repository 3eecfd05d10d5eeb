import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertFailure, send, sendEvent } from "../support/Http.ts"
import { Running, running } from "../support/Running.ts"

const tokens = { AI_TICKET_AUTH_TOKEN: "first-token, second-token" }

const event = { content: "hi" }

it.layer(running(tokens), { excludeTestServices: true })("with tokens configured", (it) => {
  const welcome: Record<string, Record<string, string>> = {
    "a bearer token": { authorization: "Bearer first-token" },
    "another of the tokens": { authorization: "Bearer second-token" },
    "a scheme in small letters": { authorization: "bearer first-token" },
    "spaces around it": { authorization: "Bearer   first-token  " },
    "X-API-Key": { "x-api-key": "first-token" },
    "one right of two": { authorization: "Bearer wrong", "x-api-key": "second-token" }
  }
  for (const [name, headers] of Object.entries(welcome)) {
    it.effect(`${name} lets in`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        assert.strictEqual((yield* sendEvent(url, event, { headers })).status, 200)
      })
    )
  }

  const nameless: Record<string, Record<string, string>> = {
    "no header": {},
    "an empty header": { authorization: "" },
    "a scheme alone": { authorization: "Bearer" },
    "an empty token": { authorization: "Bearer " },
    "another scheme": { authorization: "Basic Zmlyc3QtdG9rZW46" },
    "a bare token": { authorization: "first-token" },
    "an empty key": { "x-api-key": "" },
    "a token in the query": { "x-other": "first-token" }
  }
  for (const [name, headers] of Object.entries(nameless)) {
    it.effect(`${name} is 401, and says which scheme`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const before = backend.calls.length
        const answer = yield* sendEvent(url, event, { headers, path: "/event?token=first-token" })
        assertFailure(answer, "unauthorised")
        assert.match(answer.headers["www-authenticate"] ?? "", /^Bearer\b/)
        assert.strictEqual(backend.calls.length, before)
      })
    )
  }

  const wrong: Record<string, Record<string, string>> = {
    "another token": { authorization: "Bearer wrong" },
    "the beginning of one": { authorization: "Bearer first-toke" },
    "one with more behind it": { authorization: "Bearer first-token2" },
    "one in other letters": { authorization: "Bearer First-Token" },
    "both, with their comma": { authorization: "Bearer first-token,second-token" },
    "a wrong key": { "x-api-key": "wrong" }
  }
  for (const [name, headers] of Object.entries(wrong)) {
    it.effect(`${name} is 403`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const before = backend.calls.length
        assertFailure(yield* sendEvent(url, event, { headers }), "forbidden")
        assert.strictEqual(backend.calls.length, before)
      })
    )
  }

  it.effect("the open routes stay open, whatever is sent along", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      for (const path of ["/health", "/ready", "/metrics", "/health?x=1"]) {
        assert.strictEqual((yield* send(url, { path })).status, 200)
        assert.strictEqual((yield* send(url, { path, headers: { authorization: "Bearer wrong" } })).status, 200)
      }
    })
  )

  it.effect("which routes there are is told only to those who belong", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      const headers = { authorization: "Bearer first-token" }
      for (const path of ["/nowhere", "/health/", "//health", "/HEALTH", "/%68ealth", "/health/../event", "/healthx"]) {
        assertFailure(yield* send(url, { path }), "unauthorised")
      }
      assertFailure(yield* send(url, { path: "/nowhere", headers }), "not_found")
      assertFailure(yield* send(url, { path: "/event" }), "unauthorised")
      assertFailure(yield* send(url, { path: "/event", headers }), "method_not_allowed")
    })
  )

  it.effect("a body is not even looked at before the token", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      assertFailure(yield* sendEvent(url, "nonsense"), "unauthorised")
      assertFailure(yield* sendEvent(url, "x".repeat(2 * 1024 * 1024)), "unauthorised")
    })
  )
})

it.layer(running(), { excludeTestServices: true })("without tokens configured", (it) => {
  it.effect("everybody is let in, with or without a token", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      assert.strictEqual((yield* sendEvent(url, event)).status, 200)
      assert.strictEqual((yield* sendEvent(url, event, { headers: { authorization: "Bearer any" } })).status, 200)
    })
  )
})
