import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { InternalServerError } from "openai"
import { asked, clientOf, openAiService, refusedWith } from "../../support/OpenAi.ts"
import { eventually } from "../../support/TestService.ts"

const request = { model: "m", messages: [{ role: "user" as const, content: "hi" }] }

/** A client that repeats, and the statuses that it was told. */
const persistent = (url: string) => {
  const statuses: Array<number> = []
  const client = clientOf(url, {
    maxRetries: 2,
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      statuses.push(response.status)
      return response
    }
  })
  return { client, statuses }
}

describe("the client's own retries", () => {
  it.live("get through when the line has room again", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* openAiService({ AI_TICKET_QUEUE_LIMIT: "0" })
      backend.script({ chat: [{ hang: true }, {}] })
      const first = yield* Effect.forkScoped(
        asked(() => clientOf(url).chat.completions.create(request)),
        { startImmediately: true }
      )
      yield* eventually(() => backend.calls.length === 1)
      const { client, statuses } = persistent(url)
      const second = yield* Effect.forkScoped(
        asked(() => client.chat.completions.create(request)),
        { startImmediately: true }
      )
      yield* eventually(() => statuses.length === 1)
      backend.release()
      for (const asker of [first, second]) {
        assert.strictEqual((yield* Fiber.join(asker)).choices[0]?.message.content, " from chat ")
      }
      assert.deepStrictEqual(statuses, [503, 200])
    })
  )

  it.live("get through when the limit's window is over", () =>
    Effect.gen(function* () {
      const { url } = yield* openAiService({ RATE_LIMIT_REQUESTS: "1", RATE_LIMIT_WINDOW_SECONDS: "1" })
      const { client, statuses } = persistent(url)
      yield* asked(() => client.chat.completions.create(request))
      const { choices } = yield* asked(() => client.chat.completions.create(request))
      assert.strictEqual(choices[0]?.message.content, " from chat ")
      assert.deepStrictEqual(statuses, [200, 429, 200])
    })
  )

  it.live("don't happen where they would be in vain", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* openAiService()
      backend.script({ chat: [{ status: 400 }] })
      const { client, statuses } = persistent(url)
      const error = yield* refusedWith(InternalServerError, () => client.chat.completions.create(request))
      assert.strictEqual(error.code, "api_client_error")
      assert.deepStrictEqual(statuses, [502])
      assert.strictEqual(backend.calls.length, 1)
    })
  )
})
