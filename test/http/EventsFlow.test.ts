import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { batchClient, sendBatch } from "../support/BatchClient.ts"
import { sendEvent, until } from "../support/Http.ts"
import { rawConnection } from "../support/RawConnection.ts"
import { startService } from "../support/Running.ts"
import { settled } from "../support/Settled.ts"
import { standingClock } from "../support/StandingClock.ts"
import { eventually } from "../support/TestService.ts"

const events = (count: number, content = "p") => Array.from({ length: count }, (_, id) => ({ id, content }))
const codes = (lines: ReadonlyArray<Record<string, unknown>>) => lines.map(({ error }) => error)

describe.concurrent("a batch over HTTP", { timeout: 20_000 }, () => {
  it.live("is read as fast as its events are taken: the rest stays with the client", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_STREAM_KEEP_ALIVE_SECONDS: "0.1" })
      backend.script({ chat: [{ hang: true }] })
      const client = yield* batchClient(url)
      const megabyte = Buffer.from(`${JSON.stringify({ content: "x".repeat(1000) })}\n`.repeat(1000))
      for (let sent = 0; sent < 50; sent++) client.write(megabyte)
      yield* eventually(() => backend.calls.length === 1)
      assert.isAbove(yield* settled(client.unsent), 30 * megabyte.length)
      assert.strictEqual(backend.calls.length, 1)
    })
  )

  it.live("goes on as fast as its results are read, and no further", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_SLOTS: "8" })
      backend.script({ chat: [{ body: { choices: [{ message: { content: "x".repeat(500_000) } }] } }] })
      const client = yield* batchClient(url, { deaf: true })
      client.end(...events(1000))
      const begun = yield* settled(() => backend.calls.length)
      assert.isBelow(begun, 100)
    })
  )

  it.live("is lost to a reader that reads nothing for too long, and what is in hand is aborted", () =>
    Effect.gen(function* () {
      const settings = { AI_TICKET_SLOTS: "4", AI_TICKET_STREAM_STALL_SECONDS: "0.3" }
      const { backend, lines, url } = yield* startService(settings)
      backend.script({ chat: [{ body: { choices: [{ message: { content: "x".repeat(500_000) } }] } }] })
      const client = yield* batchClient(url, { deaf: true })
      client.write(...events(500))
      yield* eventually(() => lines.some((line) => line.includes('"route":"/events"') && line.includes('"status":499')))
      assert.isBelow(backend.calls.length, 100)
    })
  )

  it.live("has blank lines in its answer while there is nothing to tell", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_STREAM_KEEP_ALIVE_SECONDS: "0.1" })
      backend.script({ chat: [{ hang: true }] })
      const client = yield* batchClient(url)
      client.end({ content: "p" })
      yield* eventually(() => client.text() === "\n\n\n")
      backend.release()
      assert.deepStrictEqual(codes(yield* client.answer), [undefined])
    })
  )

  for (const headers of [{}, { expect: "100-continue" }]) {
    it.live(
      `may take longer to send than a request: each line has the time that a body has ${JSON.stringify(headers)}`,
      () =>
        Effect.gen(function* () {
          const { pass, seen } = yield* standingClock
          const { url } = yield* seen(startService({ AI_TICKET_RECEIVE_TIMEOUT_SECONDS: "0.5" }))
          const client = yield* batchClient(url, { headers })
          // By Node's own time a request that began later, and hasn't come either, is overdue.
          const later = yield* rawConnection(url)
          later.write(
            "POST /event HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
          )
          const [overdue] = yield* later.receive(1)
          assert.strictEqual(overdue?.status, 408)
          for (let told = 1; told <= 4; told++) {
            yield* pass("0.4 seconds")
            client.write({ content: "p" })
            yield* eventually(() => client.lines().length === told)
          }
          client.end()
          const answer = yield* client.answer
          assert.deepStrictEqual([answer.length, client.ending()], [4, "whole"])
          assert.deepStrictEqual(new Set(codes(answer)), new Set([undefined]))
        })
    )
  }

  it.live("isn't the client's time while its events wait", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_RECEIVE_TIMEOUT_SECONDS: "0.2" })
      backend.script({ chat: [{ hang: true }, {}] })
      const client = yield* batchClient(url)
      client.write(Buffer.from(`${JSON.stringify({ content: "x".repeat(10_000) })}\n`.repeat(40)))
      yield* eventually(() => backend.calls.length === 1)
      // One that began later and stopped is out of time by now.
      const stalled = yield* batchClient(url)
      stalled.write(Buffer.from("{"))
      yield* stalled.answer
      assert.deepStrictEqual(client.lines(), [])
      backend.release()
      client.end()
      assert.strictEqual((yield* client.answer).length, 40)
    })
  )

  for (const [what, drip] of [
    ["nothing more comes", ""],
    ["a line never ends", "x"]
  ] as const) {
    it.live(`breaks off when ${what}: a last line says so, and the results before it are told`, () =>
      Effect.gen(function* () {
        const { url } = yield* startService({ AI_TICKET_RECEIVE_TIMEOUT_SECONDS: "0.3" })
        const client = yield* batchClient(url)
        client.write({ id: 1, content: "p" }, Buffer.from('{"con'))
        const dripping = Effect.repeat(
          Effect.sync(() => client.write(Buffer.from(drip))),
          Schedule.spaced("50 millis")
        )
        const answer = yield* Effect.raceFirst(client.answer, Effect.andThen(dripping, Effect.never))
        assert.deepStrictEqual(codes(answer), [undefined, "request_timeout"])
        assert.deepInclude(answer[1], { index: 1, id: null, status_code: 408 })
        assert.strictEqual(client.ending(), "whole")
      })
    )
  }

  it.live("leaves half of the line to others, however many there are", () =>
    Effect.gen(function* () {
      const settings = { AI_TICKET_QUEUE_LIMIT: "8" }
      const { backend, context, url } = yield* startService(settings)
      const line = Context.get(context, WaitingLine)
      backend.script({ chat: [{ hang: true }, {}] })
      const clients = [yield* batchClient(url), yield* batchClient(url), yield* batchClient(url)]
      for (const client of clients) client.end(...events(20))
      yield* until(line.waiting, (waiting) => waiting === 3)
      const single = yield* Effect.forkChild(sendEvent(url, { content: "single" }))
      yield* until(line.waiting, (waiting) => waiting === 4)
      assert.strictEqual(backend.calls.length, 1)
      backend.release()
      yield* Effect.forEach(clients, (client) => client.answer, { concurrency: 3 })
      for (const client of clients) assert.deepStrictEqual(new Set(codes(client.lines())), new Set([undefined]))
      assert.strictEqual(single.pollUnsafe()?._tag, "Success")
    })
  )

  it.live("counts with each event against its client's limit, and waits where a single one would be refused", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ RATE_LIMIT_REQUESTS: "3", RATE_LIMIT_WINDOW_SECONDS: "1" })
      const start = performance.now()
      const client = yield* batchClient(url)
      client.end(...events(8))
      yield* eventually(() => client.lines().length === 3)
      assert.strictEqual((yield* sendEvent(url, { content: "p" })).status, 429)
      assert.deepStrictEqual(
        codes(yield* client.answer),
        events(8).map(() => undefined)
      )
      assert.isAtLeast(performance.now() - start, 1900)
    })
  )

  it.live("takes room only while its events are in hand, however much passes through", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_MAX_BODY_BYTES: "100000", AI_TICKET_SLOTS: "8" })
      const large = events(120, "x".repeat(90_000))
      for (const query of ["", "?ordered=true"]) {
        const client = yield* sendBatch(url, large, { query })
        assert.deepStrictEqual(new Set(codes(client.lines())), new Set([undefined]))
      }
    })
  )

  it.live("breaks off when there is no room for more of it, and leaves it to others", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_MAX_BODY_BYTES: "100000", AI_TICKET_SLOTS: "4" })
      backend.script({ chat: [{ hang: true }, { hang: true }, { hang: true }, { hang: true }, {}] })
      const clients = yield* Effect.forEach(Array.from({ length: 20 }), () => batchClient(url))
      for (const client of clients) client.end(...events(12, "x".repeat(90_000)))
      yield* settled(() => clients.reduce((unsent, client) => unsent + client.unsent(), 0))
      backend.release()
      const answers = yield* Effect.forEach(clients, (client) => client.answer)
      const ends = answers.map((lines) => lines.at(-1)?.["error"])
      assert.sameMembers([...new Set(ends)], [undefined, "overloaded"])
      for (const lines of answers) assert.isTrue(codes(lines.slice(0, -1)).every((code) => code === undefined))
      const later = yield* sendBatch(url, events(12, "x".repeat(90_000)))
      assert.strictEqual(later.lines().length, 12)
    })
  )

  it.live("takes no room for a line of which nothing is kept, however long it is", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_MAX_BODY_BYTES: "100000" })
      const client = yield* sendBatch(url, [...events(1, "x".repeat(10_000_000)), ...events(1)])
      assert.deepStrictEqual(codes(client.lines()), ["payload_too_large", undefined])
    })
  )

  it.live("gives each event the time that is asked for, and not all of them together", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({})
      backend.script({ chat: [{ hang: true }] })
      const client = yield* sendBatch(url, events(3), { headers: { "x-request-timeout": "0.3" } })
      assert.deepStrictEqual(
        codes(client.lines()),
        events(3).map(() => "deadline_exceeded")
      )
    })
  )
})
