import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as TestClock from "effect/testing/TestClock"
import { send } from "../../src/cli/Server.ts"

const mebibyte = "x".repeat(1024 * 1024)

/** A server that answers with so many bytes, one mebibyte after the other as they are taken, and how many it sent. */
const talkative = (bytes: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly sent: () => number; readonly close: () => void }>((resume) => {
      let sent = 0
      function* body() {
        for (; sent < bytes; sent += mebibyte.length) yield mebibyte.slice(0, bytes - sent)
      }
      const server = createServer((_, response) => void Readable.from(body()).pipe(response))
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, sent: () => sent, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

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
      const asking = yield* send(HttpClientRequest.get("http://host:1/health"), millis).pipe(
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
        ["unreachable", `No whole answer from ai-ticket at http://host:1 within ${told}.`, true]
      )
    })
  )
})

describe("an answer", () => {
  const limit = 32 * mebibyte.length
  const ask = (url: string) => Effect.provide(send(HttpClientRequest.get(url)), NodeHttpClient.layerNodeHttp)

  it.live("of 32 MiB comes whole", () =>
    Effect.gen(function* () {
      const { url } = yield* talkative(limit)
      assert.strictEqual((yield* ask(url)).text.length, limit)
    })
  )

  it.live("of more is not read on, and is not one of ai-ticket's", () =>
    Effect.gen(function* () {
      const { sent, url } = yield* talkative(3 * limit)
      const error = yield* Effect.flip(ask(url))
      assert.strictEqual(error.outcome, "unreachable")
      assert.strictEqual(error.message, `The answer at ${url} broke off, or is too large to be one of ai-ticket's.`)
      assert.isBelow(sent(), 2 * limit)
    })
  )
})
