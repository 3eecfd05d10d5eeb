import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { batchClient, sendBatch } from "../support/BatchClient.ts"
import { buggyService } from "../support/BuggyService.ts"
import { assertFailure, send } from "../support/Http.ts"
import { Running, running, startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const bytes = (text: string) => Buffer.from(text)
const codes = (lines: ReadonlyArray<Record<string, unknown>>) => lines.map(({ error }) => error)

const answered = {
  completion: "from chat",
  backend: "koboldcpp",
  model: "koboldcpp/scripted",
  finish_reason: "stop",
  usage: { prompt_tokens: 3, completion_tokens: 2 }
}

describe("POST /events", () => {
  layer(running({ AI_TICKET_MAX_BODY_BYTES: "1000" }), { excludeTestServices: true })((it) => {
    it.effect("answers each event with a line: its completion as from POST /event, or its error", () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const client = yield* sendBatch(url, [{ id: 7, content: "p" }, { id: "x", content: null }, { content: "q" }], {
          query: "?ordered=true"
        })
        assert.strictEqual(client.status(), 200)
        assert.strictEqual(client.headers()["content-type"], "application/x-ndjson")
        assert.strictEqual(client.headers()["x-request-processed-by"], "ai-ticket")
        const [first, second, third, ...rest] = client.lines()
        assert.deepStrictEqual(first, { index: 0, id: 7, ...answered })
        assert.deepStrictEqual(second, {
          index: 1,
          id: "x",
          error: "prompt_extraction_failed",
          message: "The event's content holds no prompt.",
          status_code: 422,
          details: null
        })
        assert.deepInclude(third, { index: 2, ...answered })
        assert.match(String(third?.["id"]), /^[0-9a-f-]{36}$/)
        assert.deepStrictEqual(rest, [])
        assert.isTrue(client.text().endsWith("}\n"))
      })
    )

    it.effect("passes blank lines over, and goes on behind a line that is no event", () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const client = yield* sendBatch(
          url,
          [
            bytes('\n  \r\n{"content":"a"}\r\n\nno JSON\n{"content":"'),
            Buffer.from([0xff]),
            bytes('"}\n'),
            bytes(`{"content":"${"x".repeat(5000)}"}\n`),
            [1],
            {},
            { content: "b", temperature: 3 },
            bytes('{"content":"the last, without a line feed"}')
          ],
          { query: "?ordered=true" }
        )
        const expected = [
          undefined,
          "invalid_request",
          "invalid_request",
          "payload_too_large",
          "invalid_input_format",
          "missing_content_field",
          "invalid_parameter",
          undefined
        ]
        assert.deepStrictEqual(codes(client.lines()), expected)
        assert.deepStrictEqual(
          client.lines().map(({ index }) => index),
          expected.map((_, index) => index)
        )
        assert.deepStrictEqual(
          client.lines().flatMap(({ details, error }) => (error === "invalid_request" ? [details] : [])),
          ["the line is not JSON", "the line is not UTF-8"]
        )
      })
    )

    it.effect.each([
      { what: "nothing", events: [] },
      { what: "blank lines", events: [bytes("\n\n \n")] }
    ])("answers $what with nothing", ({ events }) =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const client = yield* sendBatch(url, events)
        assert.deepStrictEqual([client.status(), client.text(), client.ending()], [200, "", "whole"])
      })
    )

    it.effect.each([
      "application/jsonl",
      "application/x-ndjson",
      "application/ndjson; charset=utf-8",
      "application/json-lines",
      "application/x-jsonlines"
    ])("takes %s", (type) =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const client = yield* sendBatch(url, [{ content: "p" }], { headers: { "content-type": type } })
        assert.deepStrictEqual(codes(client.lines()), [undefined])
      })
    )

    const post = (url: string, headers: Record<string, string>, query = "") =>
      send(url, {
        method: "POST",
        path: `/events${query}`,
        headers: { "content-type": "application/jsonl", ...headers },
        body: '{"content":"p"}\n'
      })

    it.effect.each([
      { code: "invalid_request", headers: { "content-type": "application/json" } },
      { code: "invalid_request", headers: { "content-type": "text/plain" } },
      { code: "invalid_request", headers: { "content-encoding": "gzip" } },
      { code: "invalid_parameter", headers: { "x-request-timeout": "soon" } },
      { code: "invalid_parameter", headers: { "x-priority": "urgent" } },
      { code: "invalid_parameter", headers: {}, query: "?ordered=maybe" }
    ] as const)("is refused as a whole with $code: $headers $query", ({ code, headers, ...rest }) =>
      Effect.gen(function* () {
        const { backend, url } = yield* Running
        const before = backend.calls.length
        assertFailure(yield* post(url, headers, "query" in rest ? rest.query : ""), code)
        assert.strictEqual(backend.calls.length, before)
      })
    )

    it.effect("answers while it is still being sent, and tells a client to send that asks first", () =>
      Effect.gen(function* () {
        const { url } = yield* Running
        const client = yield* batchClient(url, { headers: { expect: "100-continue" } })
        yield* eventually(() => client.status() === 200)
        client.write({ id: 1, content: "p" })
        yield* eventually(() => client.lines().length === 1)
        client.write({ id: 2, content: "p" })
        yield* eventually(() => client.lines().length === 2)
        client.end()
        yield* client.answer
        assert.strictEqual(client.ending(), "whole")
      })
    )
  })

  it.live("gives results as they come, or in the order of the events", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService({ AI_TICKET_SLOTS: "2" })
      const events = [{ content: "slow" }, { content: "quick" }]
      for (const [query, order] of [
        ["", [1, 0]],
        ["?ordered=true", [0, 1]]
      ] as const) {
        backend.script({ chat: [{ hang: true }, {}] })
        const client = yield* batchClient(url, { query })
        const calls = backend.calls.length
        client.write(events[0])
        yield* eventually(() => backend.calls.length === calls + 1)
        client.end(events[1])
        const answers = backend.answered()
        yield* eventually(() => backend.answered() === answers + 1)
        if (query === "") yield* eventually(() => client.lines().length === 1)
        backend.release()
        assert.deepStrictEqual(
          (yield* client.answer).map(({ index }) => index),
          [...order]
        )
      }
    })
  )

  it.live("tells a bug with the event that met it", () =>
    Effect.gen(function* () {
      const { lines, url } = yield* buggyService(new Error("bug"))
      const client = yield* sendBatch(url, [{ id: 1, content: "p" }, { id: 2 }])
      assert.sameDeepMembers(
        client.lines().map(({ error, id, status_code }) => ({ error, id, status_code })),
        [
          { id: 1, error: "internal_error", status_code: 500 },
          { id: 2, error: "internal_error", status_code: 500 }
        ]
      )
      assert.strictEqual(lines.filter((line) => line.includes("internal error")).length, 2)
    })
  )

  it.live("wants a token as every route", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_AUTH_TOKEN: "good" })
      const headers = { "content-type": "application/jsonl" }
      const refused = yield* send(url, { method: "POST", path: "/events", headers, body: "{}" })
      assertFailure(refused, "unauthorised")
      const client = yield* sendBatch(url, [{ content: "p" }], { headers: { authorization: "Bearer good" } })
      assert.deepStrictEqual(codes(client.lines()), [undefined])
    })
  )
})
