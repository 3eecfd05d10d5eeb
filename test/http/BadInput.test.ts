import { Agent } from "node:http"
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type ErrorCode, errorCatalogue } from "../../src/domain/ErrorCatalogue.ts"
import { byteBodies, jsonBodies } from "../support/Bodies.ts"
import { assertAlive, assertFailure, jsonIn, sendEvent } from "../support/Http.ts"
import { startService } from "../support/Running.ts"

interface Running {
  readonly url: string
  readonly lines: ReadonlyArray<string>
  readonly agent: Agent
  readonly statuses: Map<number, number>
}

class Target extends Context.Service<Target, Running>()("test/BadInput/Target") {}

const layer = Layer.effect(
  Target,
  Effect.gen(function* () {
    const { lines, url } = yield* startService({ AI_TICKET_SLOTS: "16" })
    const agent = yield* Effect.acquireRelease(
      Effect.sync(() => new Agent({ keepAlive: true, maxSockets: 16 })),
      (pool) => Effect.sync(() => pool.destroy())
    )
    return { url, lines, agent, statuses: new Map<number, number>() }
  })
)

/** The backend always answers well, so whatever isn't 200 is the body's fault, and said so. */
const answersClearly = Effect.fnUntraced(function* (body: string | Uint8Array) {
  const { agent, statuses, url } = yield* Target
  const answer = yield* sendEvent(url, body, { agent })
  statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
  // What has a true `stream` in it may be right, and is then answered with one.
  if (answer.headers["content-type"]?.startsWith("text/event-stream")) {
    assert.match(answer.text, /"done":true,"completion_tokens":2,"finish_reason":"stop"}\n\n$/)
    return
  }
  const fields = jsonIn(answer)
  if (answer.status === 200) {
    assert.strictEqual(fields["completion"], "from chat")
    assert.isTrue(typeof fields["id"] === "string" || typeof fields["id"] === "number", "an id is there")
    return
  }
  assert.oneOf(answer.status, [400, 422])
  assertFailure(answer, fields["error"] as ErrorCode)
  assert.property(errorCatalogue, String(fields["error"]))
})

const often = { timeout: 30_000, arbitrary: { runs: 1000, concurrency: 16 } }

it.layer(layer, { excludeTestServices: true })("bad input", (it) => {
  it.effect.prop(
    "JSON in and around the shape of an event",
    { body: jsonBodies },
    ({ body }) => answersClearly(body),
    often
  )

  it.effect.prop("bytes that are hardly JSON", { body: byteBodies }, ({ body }) => answersClearly(body), often)

  const event = (noise: Uint8Array) => Buffer.concat([Buffer.from('{"content":"say '), noise, Buffer.from('"}')])
  const noises: Readonly<Record<string, ReadonlyArray<number>>> = {
    "a lone continuation": [0x80],
    "a byte that UTF-8 never has": [0xff],
    "Latin-1": [0x67, 0x72, 0xfc, 0xdf, 0x65],
    "an overlong form": [0xc0, 0xaf],
    "a surrogate": [0xed, 0xa0, 0x80],
    "a cut sequence": [0xf0, 0x9f, 0x8e]
  }
  for (const [name, bytes] of Object.entries(noises)) {
    it.effect(`what isn't UTF-8 is refused, not mended: ${name}`, () =>
      Effect.gen(function* () {
        const { url } = yield* Target
        assertFailure(yield* sendEvent(url, event(Buffer.from(bytes))), "invalid_request")
        assert.strictEqual((yield* sendEvent(url, event(Buffer.from("grüße 🎉")))).status, 200)
      })
    )
  }

  it.effect("leaves a living service, and no trace of a bug", () =>
    Effect.gen(function* () {
      const { lines, statuses, url } = yield* Target
      yield* assertAlive(url)
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("internal")),
        []
      )
      assert.sameMembers([...statuses.keys()], [200, 400, 422])
      for (const [status, count] of statuses) assert.isAbove(count, 100, `${status} was hardly tried`)
    })
  )
})
