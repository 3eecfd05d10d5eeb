import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { mostWatchers } from "../../src/http/SummaryRoutes.ts"
import { Lifecycle } from "../../src/services/Lifecycle.ts"
import { assertFailure, send, sendEvent, until } from "../support/Http.ts"
import { startService } from "../support/Running.ts"
import { standingClock } from "../support/StandingClock.ts"
import { eventually } from "../support/TestService.ts"
import { watch } from "../support/Watcher.ts"

const path = "/api/metrics/stream"

describe("GET /api/metrics/stream", () => {
  it.live("tells how it stands, and again when that has changed", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const watcher = yield* watch(url)
      yield* eventually(() => watcher.told().length === 1)
      assert.match(watcher.headers()["content-type"] ?? "", /^text\/event-stream/)
      assert.strictEqual(watcher.told()[0]?.totals.requests, 0)
      yield* sendEvent(url, { content: "hello" })
      yield* eventually(() => watcher.told().at(-1)?.totals.succeeded === 1)
      const late = yield* watch(url)
      yield* eventually(() => late.told().at(-1)?.totals.succeeded === 1)
    })
  )

  it.live("is told twice a second at most, however much happens", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const watcher = yield* watch(url)
      yield* eventually(() => watcher.told().length === 1)
      const start = performance.now()
      while (watcher.told().length < 4) yield* sendEvent(url, { content: "hello" })
      assert.isAtLeast(performance.now() - start, 1000)
    })
  )

  it.live("shows that it lives as often as `top` wants to see it, however seldom others do", () =>
    Effect.gen(function* () {
      const { pass, seen } = yield* standingClock
      const { url } = yield* seen(startService({ AI_TICKET_STREAM_KEEP_ALIVE_SECONDS: "3600" }))
      const watcher = yield* watch(url)
      yield* until(pass("1 second"), () => watcher.told().length > 0)
      for (let second = 0; second < 60; second++) yield* pass("1 second")
      yield* eventually(() => watcher.text().includes(": keep-alive"))
    })
  )

  it.live("is quiet while nothing changes, but for signs of life", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_STREAM_KEEP_ALIVE_SECONDS: "1" })
      const watcher = yield* watch(url)
      yield* eventually(() => watcher.text().split(": keep-alive\n\n").length === 3)
      // The one who watches is in flight himself, from his second look on at the latest.
      assert.isAtMost(watcher.told().length, 2)
    })
  )

  it.live("has nothing more to tell those who ask for its head", () =>
    Effect.gen(function* () {
      const { lines, url } = yield* startService()
      const head = yield* send(url, { method: "HEAD", path })
      assert.deepStrictEqual([head.status, head.text], [200, ""])
      assert.match(String(head.headers["content-type"]), /^text\/event-stream/)
      // It has ended by itself, and not because its client left.
      const line = () => lines.map((text) => JSON.parse(text)).find(({ message }) => message === "request")
      yield* eventually(() => line() !== undefined)
      assert.deepInclude(line(), { method: "HEAD", route: path, status: 200 })
    })
  )

  it.live("has room for so many, and again when one has left", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const watchers = yield* Effect.forEach(Array.from({ length: mostWatchers }), () => watch(url))
      yield* eventually(() => watchers.every((watcher) => watcher.told().length > 0))
      const refused = yield* send(url, { path })
      assertFailure(refused, "overloaded")
      assert.strictEqual(refused.headers["retry-after"], "10")
      watchers[0]?.leave()
      const next = Effect.gen(function* () {
        const watcher = yield* watch(url)
        yield* eventually(() => watcher.status() !== undefined)
        return watcher.status()
      })
      assert.strictEqual(yield* until(next, (status) => status === 200), 200)
    })
  )

  it.live("ends when the service drains, which doesn't wait for it, and is refused from then on", () =>
    Effect.gen(function* () {
      const { context, url } = yield* startService()
      const watcher = yield* watch(url)
      yield* eventually(() => watcher.told().length > 0)
      yield* Context.get(context, Lifecycle).drain
      yield* eventually(() => watcher.ended())
      assert.match(watcher.told().at(-1)?.panels[0]?.text ?? "", /^draining/)
      assertFailure(yield* send(url, { path }), "shutting_down")
    })
  )

  it.live("ends for a token that is withdrawn", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "watch-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const file = join(folder, "tokens")
      writeFileSync(file, "first\nsecond\n")
      const { url } = yield* startService({ AI_TICKET_AUTH_TOKEN_FILE: file })
      const [first, second] = [
        yield* watch(url, { headers: { "x-api-key": "first" } }),
        yield* watch(url, { headers: { "x-api-key": "second" } })
      ]
      yield* eventually(() => first.told().length > 0 && second.told().length > 0)
      writeFileSync(file, "second\n")
      while (!first.ended()) yield* sendEvent(url, { content: "hello" }, { headers: { "x-api-key": "second" } })
      assert.isFalse(second.ended() || second.broken())
    })
  )

  it.live("isn't held up by one who doesn't read", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const stalled = yield* watch(url, { reads: false })
      const reader = yield* watch(url)
      yield* eventually(() => stalled.status() === 200 && reader.told().length > 0)
      yield* sendEvent(url, { content: "hello" })
      yield* eventually(() => reader.told().at(-1)?.totals.succeeded === 1)
    })
  )
})
