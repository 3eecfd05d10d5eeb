import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import type { Destination } from "../../src/services/telemetry/OtelSettings.ts"
import { makeTransport } from "../../src/services/telemetry/OtlpTransport.ts"
import { eventuallyLive } from "../support/Eventually.ts"
import { forked } from "../support/Forked.ts"
import { type Mood, type OtlpReceiver, otlpReceiver } from "../support/OtlpReceiver.ts"

/** An export of nothing, in protobuf. */
const nothing = new Uint8Array()

const timeoutMillis = 10_000

/** Sends an export to a collector that has been asked for it when this returns. */
const sendingTo = Effect.fnUntraced(function* (
  collector: OtlpReceiver,
  to: Partial<Destination> = {},
  data: Uint8Array = nothing
) {
  const http = yield* Layer.build(NodeHttpClient.layerNodeHttpOptions({ keepAlive: true }))
  const transportTo = yield* Effect.provide(makeTransport, http)
  const transport = transportTo({
    url: `${collector.url}/v1/traces`,
    headers: Redacted.make({ "x-api-key": "k" }),
    protocol: "http/protobuf",
    timeoutMillis,
    compression: "none",
    ...to
  })
  const answer = yield* forked(Effect.promise(() => transport.send(data, timeoutMillis)))
  yield* eventuallyLive(() => collector.asked() === 1)
  return { answer: Effect.map(Fiber.join(answer), ({ status }) => status) }
})

const sending = Effect.fnUntraced(function* (mood: Mood, to?: Partial<Destination>, data?: Uint8Array) {
  const collector = yield* otlpReceiver(mood)
  return { ...(yield* sendingTo(collector, to, data)), collector }
})

/** The milliseconds that pass on the test's clock until it is so; what comes over sockets has its own time. */
const passing = (condition: () => boolean): Effect.Effect<number> =>
  Effect.suspend(() =>
    condition()
      ? Effect.succeed(0)
      : Effect.andThen(
          Effect.andThen(TestClock.adjust(step), eventuallyLive(oneLookLater())),
          Effect.map(passing(condition), (millis) => millis + step)
        )
  )

const step = 50

/** False the first time it is asked. */
const oneLookLater = () => {
  let looks = 0
  return () => looks++ > 0
}

describe("an export", () => {
  it.effect("is sent with the header fields it was given, and no trace of ours", () =>
    Effect.gen(function* () {
      const { answer, collector } = yield* sending(200)
      assert.strictEqual(yield* answer, "success")
      const { headers = {}, path } = collector.exports[0] ?? {}
      assert.strictEqual(path, "/v1/traces")
      assert.include(headers, { "x-api-key": "k", "content-type": "application/x-protobuf" })
      assert.match(String(headers["user-agent"]), /^ai-ticket\/\d/)
      assert.notProperty(headers, "traceparent")
      assert.notProperty(headers, "b3")
    })
  )

  it.effect("takes the name and the password in its address along", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver()
      const url = collector.url.replace("//", "//user:p%40ss@")
      const { answer } = yield* sendingTo(collector, { url: `${url}/v1/traces?key=k` })
      assert.strictEqual(yield* answer, "success")
      assert.include(collector.exports[0], { path: "/v1/traces?key=k" })
      const expected = `Basic ${Buffer.from("user:p@ss").toString("base64")}`
      assert.strictEqual(collector.exports[0]?.headers["authorization"], expected)
    })
  )

  it.effect("is made smaller when told so", () =>
    Effect.gen(function* () {
      const data = Buffer.from(JSON.stringify({ resourceSpans: [] }))
      const { answer, collector } = yield* sending(200, { compression: "gzip", protocol: "http/json" }, data)
      assert.strictEqual(yield* answer, "success")
      assert.include(collector.exports[0]?.headers, { "content-encoding": "gzip", "content-type": "application/json" })
      assert.deepStrictEqual(collector.bytes, [data])
    })
  )

  for (const status of [400, 401, 404, 500, 501]) {
    it.effect(`that is told ${status} isn't sent again`, () =>
      Effect.gen(function* () {
        const { answer, collector } = yield* sending(status)
        assert.strictEqual(yield* answer, "failure")
        assert.strictEqual(collector.asked(), 1)
      })
    )
  }

  it.effect("that comes at a bad time is sent again, after longer and longer pauses, until its time is over", () =>
    Effect.gen(function* () {
      const { answer, collector } = yield* sending(503)
      const pauses = [
        yield* passing(() => collector.asked() === 2),
        yield* passing(() => collector.asked() === 3),
        yield* passing(() => collector.asked() === 4)
      ]
      for (const [at, least] of [800, 1200, 1800].entries()) assert.isAtLeast(pauses[at] ?? 0, least)
      yield* TestClock.adjust(timeoutMillis)
      assert.strictEqual(yield* answer, "failure")
    })
  )

  it.effect("isn't sent again without a pause, whatever the collector says", () =>
    Effect.gen(function* () {
      const { collector } = yield* sending("hasty")
      assert.isAtLeast(yield* passing(() => collector.asked() === 2), 800)
    })
  )

  it.effect("has a longer pause when the collector asks for it, and its time all the same", () =>
    Effect.gen(function* () {
      const { answer, collector } = yield* sending("tired")
      yield* TestClock.adjust(timeoutMillis)
      assert.strictEqual(yield* answer, "failure")
      assert.strictEqual(collector.asked(), 1)
    })
  )

  it.effect("that isn't answered is given up in time, with its connection", () =>
    Effect.gen(function* () {
      const { answer, collector } = yield* sending("silent")
      yield* TestClock.adjust(timeoutMillis - 1)
      assert.strictEqual(collector.connections(), 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* answer, "failure")
      yield* eventuallyLive(() => collector.connections() === 0)
    })
  )

  for (const mood of ["begins", "drips"] as const) {
    it.effect(`has been taken when the answer ${mood} with a 200, and the rest isn't waited for long`, () =>
      Effect.gen(function* () {
        const { answer, collector } = yield* sending(mood)
        assert.isAtMost(yield* passing(() => collector.connections() === 0), 2000)
        assert.strictEqual(yield* answer, "success")
      })
    )
  }

  it.effect("has been taken when the answer that begins with a 200 has no end, and most of it isn't read", () =>
    Effect.gen(function* () {
      const { answer, collector } = yield* sending("floods")
      assert.strictEqual(yield* answer, "success")
      yield* eventuallyLive(() => collector.connections() === 0)
    })
  )

  it.effect("isn't taken by a collector that would rather speak another protocol, and its connection is closed", () =>
    Effect.gen(function* () {
      const { answer, collector } = yield* sending("switches")
      assert.isAtMost(yield* passing(() => collector.connections() === 0), 2000)
      assert.strictEqual(yield* answer, "failure")
    })
  )

  it.effect("leaves no connection behind when the service ends", () =>
    Effect.gen(function* () {
      const collector = yield* otlpReceiver("silent")
      yield* Effect.scoped(Effect.asVoid(sendingTo(collector)))
      yield* eventuallyLive(() => collector.connections() === 0)
    })
  )
})
