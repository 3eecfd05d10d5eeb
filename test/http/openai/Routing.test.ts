import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { jsonIn, send } from "../../support/Http.ts"
import { Running, running } from "../../support/Running.ts"

const allowed = {
  "/v1/chat/completions": "POST",
  "/v1/completions": "POST",
  "/v1/models": "GET, HEAD",
  "/v1/models/koboldcpp%2Fscripted": "GET, HEAD"
}
const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

it.layer(running(), { excludeTestServices: true })("the routes under /v1/", (it) => {
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
          assert.deepStrictEqual([answer.status, answer.headers["allow"]], [405, allow], method)
          if (method !== "HEAD") assert.deepInclude(jsonIn(answer)["error"], { code: "method_not_allowed" })
        }
      })
    )
  }

  const misspelt = ["/v1/", "/v1/chat", "/v1/Models", "/v1/models/", "/v1//models", "/v1/%6dodels", "/v1/%6dodels/x"]
  for (const path of [...misspelt, "/v1/chat/completions/", "/V1/models", "/v1/completions/x"]) {
    it.effect(`${path} is no route`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const before = backend.calls.length
        for (const method of ["GET", "POST"]) {
          const answer = yield* send(url, { method, path, headers: { "content-type": "application/json" } })
          assert.strictEqual(answer.status, 404, method)
        }
        assert.strictEqual(backend.calls.length, before)
      })
    )
  }
})
