import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as TestClock from "effect/testing/TestClock"
import { send } from "../../src/cli/Server.ts"

describe("a server that never answers", () => {
  it.effect.each([
    { millis: 1000, told: "1 second" },
    { millis: 2500, told: "2.5 seconds" }
  ])("is given up after the time that was allowed, as unreachable: $told", ({ millis, told }) =>
    Effect.gen(function* () {
      let left = false
      const silent = HttpClient.make(() =>
        Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            left = true
          })
        )
      )
      const asking = yield* send(HttpClientRequest.get("http://host:1/health"), { timeoutMillis: millis }).pipe(
        Effect.provideService(HttpClient.HttpClient, silent),
        Effect.flip,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust(millis - 1)
      assert.isFalse(left)
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(asking)
      assert.deepStrictEqual(
        [error.outcome, error.message, left],
        ["unreachable", `No answer from ai-ticket at http://host:1 within ${told}.`, true]
      )
    })
  )
})
