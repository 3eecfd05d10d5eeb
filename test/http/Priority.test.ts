import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { WaitingLine } from "../../src/services/WaitingLine.ts"
import { sendBatch } from "../support/BatchClient.ts"
import { assertFailure, jsonIn, sendEvent } from "../support/Http.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const tokens = "urgent high\nplain\nother\nhumble low\n"

const tokenFile = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "ai-ticket-"))
    writeFileSync(join(folder, "tokens"), tokens)
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
).pipe(Effect.map((folder) => ({ AI_TICKET_AUTH_TOKEN_FILE: join(folder, "tokens") })))

interface Asked {
  readonly token?: string
  readonly priority?: string
}

const headersOf = ({ priority, token }: Asked) => ({
  ...(token === undefined ? {} : { "x-api-key": token }),
  ...(priority === undefined ? {} : { "x-priority": priority })
})

/** The prompts in the order in which the backend gets them, of requests that all wait behind one. */
const servedInOrder = Effect.fnUntraced(function* (
  settings: Record<string, string>,
  first: Asked,
  waiting: Readonly<Record<string, Asked>>
) {
  const { backend, context, url } = yield* startService(settings)
  const ask = (content: string, asked: Asked) => sendEvent(url, { content }, { headers: headersOf(asked) })
  backend.script({ chat: [{ hang: true }] })
  const fibers = [yield* Effect.forkChild(ask("first", first))]
  yield* eventually(() => backend.calls.length === 1)
  for (const [at, [prompt, asked]] of Object.entries(waiting).entries()) {
    fibers.push(yield* Effect.forkChild(ask(prompt, asked)))
    let depth = 0
    const look = Effect.map(Context.get(context, WaitingLine).waiting, (now) => {
      depth = now
    })
    yield* Effect.repeat(look, { until: () => depth === at + 1 })
  }
  for (let served = 1; served <= fibers.length; served++) {
    yield* eventually(() => backend.calls.length === served)
    backend.release()
  }
  const answers = yield* Fiber.joinAll(fibers)
  for (const { status } of answers) assert.strictEqual(status, 200)
  return backend.calls.slice(1).map(({ prompt }) => prompt)
})

describe.concurrent("X-Priority", () => {
  it.live("lets an urgent request of a client go before its others", () =>
    Effect.gen(function* () {
      const order = yield* servedInOrder(
        yield* tokenFile,
        { token: "other" },
        {
          low: { token: "urgent", priority: "low" },
          normal: { token: "urgent", priority: "normal" },
          high: { token: "urgent", priority: "High" }
        }
      )
      assert.deepStrictEqual(order, ["high", "normal", "low"])
    })
  )

  it.live("is what the token says where a request doesn't ask", () =>
    Effect.gen(function* () {
      const order = yield* servedInOrder(
        yield* tokenFile,
        { token: "other" },
        { asked: { token: "urgent", priority: "normal" }, unasked: { token: "urgent" } }
      )
      assert.deepStrictEqual(order, ["unasked", "asked"])
    })
  )

  for (const [who, token] of Object.entries({ "a plain token": "plain", "a token of low priority": "humble" })) {
    it.live(`gives ${who} no more than its right, and tells it nothing`, () =>
      Effect.gen(function* () {
        const order = yield* servedInOrder(
          yield* tokenFile,
          { token: "other" },
          { one: { token }, two: { token, priority: "high" }, three: { token, priority: "normal" } }
        )
        assert.deepStrictEqual(order, ["one", "two", "three"])
      })
    )
  }

  it.live("is normal at most without tokens", () =>
    Effect.gen(function* () {
      const order = yield* servedInOrder({}, {}, { low: { priority: "low" }, one: {}, two: { priority: "high" } })
      assert.deepStrictEqual(order, ["one", "two", "low"])
    })
  )

  it.live("is that of every event of a batch", () =>
    Effect.gen(function* () {
      const { backend, context, url } = yield* startService(yield* tokenFile)
      const { waiting } = Context.get(context, WaitingLine)
      const depthIs = (depth: number) => Effect.repeat(waiting, { until: (now) => now === depth })
      const headers = { "x-api-key": "urgent" }
      backend.script({ chat: [{ hang: true }] })
      const first = yield* Effect.forkChild(sendEvent(url, { content: "first" }, { headers: { "x-api-key": "other" } }))
      yield* eventually(() => backend.calls.length === 1)
      const events = [{ content: "batch" }, { content: "batch" }]
      const batch = yield* Effect.forkChild(
        sendBatch(url, events, { headers: { ...headers, "x-priority": "low" } }).pipe(Effect.scoped)
      )
      yield* depthIs(2)
      const single = yield* Effect.forkChild(
        sendEvent(url, { content: "single" }, { headers: { ...headers, "x-priority": "normal" } })
      )
      yield* depthIs(3)
      for (let served = 1; served <= 4; served++) {
        yield* eventually(() => backend.calls.length === served)
        backend.release()
      }
      yield* Fiber.joinAll([first, single])
      assert.strictEqual((yield* Fiber.join(batch)).lines().length, 2)
      assert.deepStrictEqual(
        backend.calls.map(({ prompt }) => prompt),
        ["first", "single", "batch", "batch"]
      )
    })
  )

  it.live("must be a word that is known", () =>
    Effect.gen(function* () {
      const { backend, url } = yield* startService()
      for (const word of ["urgent", "", "1", "toString", "high, low"]) {
        const answer = yield* sendEvent(url, { content: "p" }, { headers: { "x-priority": word } })
        assertFailure(answer, "invalid_parameter")
        assert.strictEqual(jsonIn(answer)["message"], "X-Priority must be high, normal or low.")
      }
      assert.strictEqual(backend.calls.length, 0)
    })
  )
})

describe("the line", () => {
  it.live("is fair between tokens, though they come from one address", () =>
    Effect.gen(function* () {
      const many = { token: "plain" }
      const order = yield* servedInOrder(yield* tokenFile, many, {
        "plain 1": many,
        "plain 2": many,
        "plain 3": many,
        "other 1": { token: "other" }
      })
      assert.isBelow(order.indexOf("other 1"), 2)
    })
  )
})
