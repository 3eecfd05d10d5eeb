import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Backends } from "../../src/services/Backends.ts"
import { Transport } from "../../src/services/backends/Transport.ts"
import * as ConfigReload from "../../src/services/ConfigReload.ts"
import { Ids } from "../../src/services/Ids.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { Settings } from "../../src/services/Settings.ts"
import { capturedLog } from "../support/CapturedLog.ts"

const naming = (name: string) => `backends: [{ name: ${name}, url: "http://gpu" }]`

/** A file that is read by turns as these texts, the last of them from then on; and what came of it. */
const reloadOf = Effect.fnUntraced(function* (...texts: ReadonlyArray<string>) {
  const left = [...texts]
  const files = FileSystem.layerNoop({
    readFileString: () => Effect.sync(() => (left.length > 1 ? left.shift() : left[0]) ?? "")
  })
  const applied: Array<ReadonlyArray<string>> = []
  const backends = Layer.succeed(Backends)({
    lanes: () => assert.fail("nobody asks"),
    routeFor: () => undefined,
    tierFor: () => () => undefined,
    changes: Stream.never,
    apply: ({ lanes }) =>
      Effect.sync(() => {
        applied.push(lanes.map(({ backend }) => backend.name))
      })
  })
  const log = capturedLog()
  const signals = yield* Queue.unbounded<void>()
  yield* Layer.build(
    ConfigReload.layer.pipe(
      Layer.provide(Layer.succeed(ConfigReload.ReloadRequests)(Stream.fromQueue(signals))),
      Layer.provide([files, backends, Transport.layer, Ids.layer, Metrics.layer, log.layer]),
      Layer.provide(Settings.layerRecord({ AI_TICKET_CONFIG: "backends.yaml" }))
    )
  )
  const second = TestClock.adjust("1 second")
  const told = () => log.entries().map(({ message }) => String(message))
  return { applied, second, told, signal: Queue.offer(signals, undefined) }
})

const applied = (backends: string) => `AI_TICKET_CONFIG was read again: ${backends}`

describe("a file of backends that changes", () => {
  it.effect("is not applied while it is being written", () =>
    Effect.gen(function* () {
      const now = yield* reloadOf(naming("old"), naming("ne"), naming("new"))
      yield* now.second
      assert.deepStrictEqual(now.applied, [])
      yield* now.second
      assert.deepStrictEqual(now.applied, [["new"]])
      yield* now.second
      assert.deepStrictEqual(now.applied, [["new"]])
      assert.deepStrictEqual(now.told(), [applied("1 backend")])
    })
  )

  it.effect("to one that can't be used is told of once, and once more when asked for", () =>
    Effect.gen(function* () {
      const now = yield* reloadOf(naming("old"), "backends: []")
      for (let looks = 0; looks < 3; looks++) yield* now.second
      assert.strictEqual(now.told().length, 1)
      yield* now.signal
      yield* now.second
      assert.strictEqual(now.told().length, 2)
      for (const line of now.told()) assert.match(line, /^AI_TICKET_CONFIG can't be used, and nothing was changed: /)
      assert.deepStrictEqual(now.applied, [])
    })
  )

  it.effect("is applied when asked for though it hasn't changed: what it points to may have", () =>
    Effect.gen(function* () {
      const now = yield* reloadOf(naming("same"))
      yield* now.second
      assert.deepStrictEqual(now.applied, [])
      yield* now.signal
      yield* now.second
      assert.deepStrictEqual(now.applied, [["same"]])
    })
  )
})
