import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { errorCatalogue } from "../../../src/domain/ErrorCatalogue.ts"
import { bodyFor } from "../../../src/domain/Failure.ts"
import { koboldError } from "../../../src/http/kobold/KoboldFailure.ts"
import { koboldRoutes } from "../../../src/http/kobold/KoboldPaths.ts"
import { buggyService } from "../../support/BuggyService.ts"
import { jsonIn, send } from "../../support/Http.ts"
import { Running, running, startService } from "../../support/Running.ts"
import { eventually } from "../../support/TestService.ts"
import { koboldClient } from "./KoboldClient.ts"

const koboldPaths = Object.entries<ReadonlyArray<string>>(koboldRoutes)

describe("an error in KoboldCpp's shape", () => {
  for (const [code, { status }] of Object.entries(errorCatalogue)) {
    it(`has a type that its clients know, for ${code}`, () => {
      const { detail } = koboldError(bodyFor(code as keyof typeof errorCatalogue, "It is so.", "why"))
      const type =
        status === 401 || status === 403
          ? "unauthorized"
          : status < 500 && status !== 429
            ? "bad_input"
            : "service_unavailable"
      assert.deepStrictEqual<unknown>(detail, { msg: "It is so: why.", type, error: code })
    })
  }

  it.live("is told of a bug, and nothing of the bug", () =>
    Effect.gen(function* () {
      const service = yield* buggyService("the secret")
      const answer = yield* koboldClient(service).generate()
      assert.strictEqual(answer.status, 500)
      assert.deepInclude(jsonIn(answer)["detail"], { type: "service_unavailable", error: "internal_error" })
      assert.notInclude(answer.text, "secret")
    })
  )

  it.live("is told when the line is full, with the time to wait", () =>
    Effect.gen(function* () {
      const { backend, ...service } = yield* startService({ AI_TICKET_QUEUE_LIMIT: "0" })
      backend.script({ generate: [{ hang: true }] })
      const client = koboldClient(service)
      yield* Effect.forkScoped(client.generate())
      yield* eventually(() => backend.calls.length === 1)
      const answer = yield* client.generate()
      assert.strictEqual(answer.status, 503)
      assert.deepStrictEqual(jsonIn(answer)["detail"], {
        msg: "Too many requests are waiting, or the wait would be longer than this one may take.",
        type: "service_unavailable",
        error: "overloaded"
      })
      assert.isDefined(answer.headers["retry-after"])
    })
  )
})

it.layer(running({ AI_TICKET_AUTH_TOKEN: "secret" }), { excludeTestServices: true })(
  "every route of KoboldCpp's protocol",
  (it) => {
    for (const [path, methods] of koboldPaths) {
      it.effect(`${path} asks for a token, and names its methods`, () =>
        Effect.gen(function* () {
          const { url } = yield* Running
          const [method = "GET"] = methods
          const none = yield* send(url, { method, path })
          assert.strictEqual(none.status, 401)
          assert.strictEqual(none.headers["www-authenticate"], "Bearer")
          const wrong = yield* send(url, { method, path, headers: { authorization: "Bearer wrong" } })
          assert.strictEqual(wrong.status, 403)
          for (const answer of [none, wrong]) {
            assert.deepInclude(jsonIn(answer)["detail"], { type: "unauthorized" })
          }
          const other = yield* send(url, { method: "DELETE", path, headers: { authorization: "Bearer secret" } })
          assert.strictEqual(other.status, 405)
          assert.strictEqual(other.headers["allow"], methods.join(", "))
          assert.deepInclude(jsonIn(other)["detail"], { type: "bad_input", error: "method_not_allowed" })
          const head = yield* send(url, { method: "HEAD", path, headers: { authorization: "Bearer secret" } })
          assert.strictEqual(head.status !== 405, methods.includes("HEAD"))
        })
      )
    }
  }
)
