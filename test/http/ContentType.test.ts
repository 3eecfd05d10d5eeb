import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertFailure, send } from "../support/Http.ts"
import { Running, running } from "../support/Running.ts"

const body = JSON.stringify({ content: "hi" })

const accepted = [
  "application/json",
  "application/json; charset=utf-8",
  "application/json;charset=UTF-8",
  'application/json ; charset="utf-8"; x=y',
  "Application/JSON",
  "application/problem+json",
  "application/vnd.ticket.v1+json; charset=utf-8",
  "application/cloudevents+json"
]

const refused = [
  undefined,
  "",
  "json",
  "text/plain",
  "text/json",
  "application/jsonx",
  "application/json+xml",
  "application/jsonp",
  "application/+json",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=application/json",
  "text/plain; type=application/json",
  "xapplication/json",
  "application/json, text/plain"
]

it.layer(running(), { excludeTestServices: true })("the content type of an event", (it) => {
  for (const contentType of accepted) {
    it.effect(`${contentType} is read`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const headers = { "content-type": contentType }
        assert.strictEqual((yield* send(url, { method: "POST", path: "/event", headers, body })).status, 200)
      })
    )
  }

  for (const contentType of refused) {
    it.effect(`${contentType ?? "none"} is refused, and told what is wanted`, () =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const before = backend.calls.length
        const headers: Record<string, string> = contentType === undefined ? {} : { "content-type": contentType }
        const answer = yield* send(url, { method: "POST", path: "/event", headers, body })
        assertFailure(answer, "invalid_request")
        assert.include(answer.text, "application/json")
        assert.strictEqual(backend.calls.length, before)
      })
    )
  }

  it.effect("is of no use where the body is compressed", () =>
    Effect.gen(function* () {
      const { url } = yield* Running
      const headers = { "content-type": "application/json", "content-encoding": "gzip" }
      const answer = yield* send(url, { method: "POST", path: "/event", headers, body })
      assertFailure(answer, "invalid_request")
      assert.include(answer.text, "compressed")
    })
  )
})
