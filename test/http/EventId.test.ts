import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { jsonIn, sendEvent } from "../support/Http.ts"
import { Running, running } from "../support/Running.ts"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

it.layer(running(), { excludeTestServices: true })("the id of an answer", (it) => {
  for (const id of ["ticket-4711", " ", "größe", "\u0000", 4711, 0, -1, 1.5]) {
    it.effect(`is the event's own: ${JSON.stringify(id)}`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        assert.strictEqual(jsonIn(yield* sendEvent(url, { content: "hi", id }))["id"], id)
      })
    )
  }

  for (const id of ['""', "null", "true", "[1]", '{"a":1}', "1e999", "-1e999"]) {
    it.effect(`is a new one where the event's is ${id}`, () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const answer = yield* sendEvent(url, `{"content":"hi","id":${id}}`)
        assert.match(String(jsonIn(answer)["id"]), uuid)
      })
    )
  }
})
