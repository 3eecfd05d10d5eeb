import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type { BackendError } from "../../src/domain/BackendError.ts"
import type { BackendModel } from "../../src/services/InferenceBackend.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { Models } from "../../src/services/Models.ts"
import { Settings } from "../../src/services/Settings.ts"
import { backendError, fakeBackend } from "../support/FakeBackend.ts"
import { movableClock } from "../support/MovableClock.ts"

/** The list above a backend that says what the test says, and how often it was asked. */
const modelsAbove = Effect.gen(function* () {
  const backend: { models: Effect.Effect<ReadonlyArray<BackendModel>, BackendError>; asked: number } = {
    models: Effect.succeed([{ id: "m" }]),
    asked: 0
  }
  const models = Effect.suspend(() => {
    backend.asked += 1
    return backend.models
  })
  const context = yield* Layer.build(
    Models.layer.pipe(
      Layer.provide(fakeBackend({}, {}, models).layer),
      Layer.provide(Metrics.layer),
      Layer.provide(Settings.layerRecord({}))
    )
  )
  return { backend, list: Context.get(context, Models).list }
})

describe("Models", () => {
  it.effect("asks the backend once in five seconds", () =>
    Effect.gen(function* () {
      const { backend, list } = yield* modelsAbove
      yield* Effect.all([list, list, list], { concurrency: 3 })
      yield* TestClock.adjust("4999 millis")
      assert.deepStrictEqual(yield* list, [{ id: "m", ownedBy: "fake" }])
      assert.strictEqual(backend.asked, 1)
      backend.models = Effect.succeed([{ id: "n", ownedBy: "fake" }])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* list, [{ id: "n", ownedBy: "fake" }])
      assert.strictEqual(backend.asked, 2)
    })
  )

  it.effect("names each once, and is soon done with however many", () =>
    Effect.gen(function* () {
      const { backend, list } = yield* modelsAbove
      const many = Array.from({ length: 150_000 }, (_, at) => ({ id: `m${at}`, ownedBy: "one" }))
      backend.models = Effect.succeed([...many, { id: "m7", ownedBy: "another" }])
      assert.deepStrictEqual(yield* list, many)
    })
  )

  it.effect("asks a backend that failed again after a second", () =>
    Effect.gen(function* () {
      const { backend, list } = yield* modelsAbove
      backend.models = Effect.fail(backendError("api_connection_error", "retry"))
      for (let at = 0; at < 3; at++) assert.strictEqual((yield* Effect.flip(list)).code, "api_connection_error")
      assert.strictEqual(backend.asked, 1)
      backend.models = Effect.succeed([])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* list, [])
    })
  )

  it.effect("keeps nothing alive because the time of day was set back", () =>
    Effect.gen(function* () {
      const { pass, seen, setTimeOfDay } = yield* movableClock
      const { backend, list } = yield* modelsAbove
      yield* seen(list)
      setTimeOfDay(-3_600_000)
      pass(5000)
      yield* seen(list)
      assert.strictEqual(backend.asked, 2)
    })
  )
})
