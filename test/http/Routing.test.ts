import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertFailure, jsonIn, send, sendEvent } from "../support/Http.ts"
import { Running, running } from "../support/Running.ts"

const allowed = { "/event": "POST", "/health": "GET, HEAD", "/ready": "GET, HEAD", "/metrics": "GET, HEAD" }
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH"]

it.layer(running(), { excludeTestServices: true })("methods", (it) => {
  for (const [path, allow] of Object.entries(allowed)) {
    it.effect(`${path} takes ${allow}, and names them to the rest`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        for (const method of methods) {
          const answer = yield* send(url, { method, path, headers: { "content-type": "application/json" } })
          if (allow.split(", ").includes(method)) {
            assert.notEqual(answer.status, 405, method)
            continue
          }
          assert.strictEqual(answer.status, 405, method)
          assert.strictEqual(answer.headers["allow"], allow)
          if (method !== "HEAD") assertFailure(answer, "method_not_allowed")
        }
      })
    )
  }

  it.effect("unknown ones get 404 where there is no route", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      for (const method of methods) {
        const answer = yield* send(url, { method, path: "/nowhere" })
        assert.strictEqual(answer.status, 404, method)
        assert.isUndefined(answer.headers["allow"])
        if (method !== "HEAD") assertFailure(answer, "not_found")
      }
    })
  )

  it.effect("HEAD says of a body what GET would, and sends none", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      for (const path of ["/health", "/ready", "/metrics"]) {
        const got = yield* send(url, { path })
        const head = yield* send(url, { method: "HEAD", path })
        assert.deepStrictEqual([head.status, head.text], [200, ""])
        assert.strictEqual(head.headers["content-type"], got.headers["content-type"])
        if (path === "/health") assert.strictEqual(head.headers["content-length"], got.headers["content-length"])
      }
    })
  )
})

it.layer(running(), { excludeTestServices: true })("paths", (it) => {
  for (const path of ["/event?x=1", "/event?", "/event?content=%00&%zz"]) {
    it.effect(`${path} is /event`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        assert.strictEqual((yield* sendEvent(url, { content: "hi" }, { path })).status, 200)
        assertFailure(yield* send(url, { path }), "method_not_allowed")
      })
    )
  }

  const misspelt = ["/event/", "//event", "/EVENT", "/./event", "/x/../event", "/event/x", "/eventz", "/", "*", "/%00"]
  for (const path of [...misspelt, "/event%20", "/event%2f", "/%zz", "/%ff", "/constructor", "/__proto__"]) {
    it.effect(`${path} is no route`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const before = backend.calls.length
        assertFailure(yield* sendEvent(url, { content: "hi" }, { path }), "not_found")
        assertFailure(yield* send(url, { path }), "not_found")
        assert.strictEqual(backend.calls.length, before)
      })
    )
  }

  for (const path of ["/%65vent", "/event;x=1", "/event#x"]) {
    it.effect(`${path} is one thing to the guard, to the router and to the 405`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const posted = yield* sendEvent(url, { content: "hi" }, { path })
        const got = yield* send(url, { path })
        assert.oneOf(posted.status, [200, 404])
        assertFailure(got, posted.status === 200 ? "method_not_allowed" : "not_found")
      })
    )
  }

  it.effect("tell nothing of themselves in the answer", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      const answer = yield* send(url, { path: "/wp-admin/canary?canary" })
      assertFailure(answer, "not_found")
      assert.notInclude(JSON.stringify([answer.headers, jsonIn(answer)]), "canary")
    })
  )
})
