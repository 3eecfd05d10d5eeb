import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Slot } from "../../../../src/services/WaitingLine.ts"
import { eventuallyLive } from "../../../support/Eventually.ts"
import { forked } from "../../../support/Forked.ts"
import { koboldCppAt, plainRequest } from "../../../support/KoboldCppHarness.ts"
import { parseMetrics, sampleValue } from "../../../support/Prometheus.ts"
import { rawBackend } from "../../../support/RawBackend.ts"
import { scriptedBackend } from "../../../support/ScriptedBackend.ts"

/** An attempt that runs, with a slot that the test gives back. */
const attemptAt = Effect.fnUntraced(function* (url: string, begun: () => boolean, settings = {}) {
  const { backend, metrics } = yield* koboldCppAt(url, settings)
  const slot = yield* Scope.make()
  const fiber = yield* forked(Effect.provideService(backend.endpoints[0].attempt(plainRequest), Slot, slot))
  yield* eventuallyLive(begun)
  const aborts = (outcome: "heard" | "failed") =>
    Effect.map(metrics.render, (page) =>
      sampleValue(parseMetrics(page), "ai_ticket_backend_aborts_total", { backend: "koboldcpp", outcome })
    )
  const wasted = Effect.map(metrics.render, (page) =>
    sampleValue(parseMetrics(page), "ai_ticket_generated_tokens_total", { backend: "koboldcpp", fate: "wasted" })
  )
  return { aborts, backend, fiber, slot, wasted }
})

describe("an attempt that nobody waits for", () => {
  it.effect("closes its socket, and is aborted by its own key before the slot is given back", () =>
    Effect.gen(function* () {
      const scripted = yield* scriptedBackend
      scripted.script({ chat: [{ hang: true }] })
      const { aborts, fiber, slot } = yield* attemptAt(scripted.url, () => scripted.calls.length === 1)
      yield* Fiber.interrupt(fiber)
      yield* eventuallyLive(() => scripted.calls[0]?.closedEarlyAt !== undefined)
      yield* Scope.close(slot, Exit.void)
      assert.deepStrictEqual(
        scripted.aborts.map(({ genkey }) => genkey),
        [scripted.calls[0]?.body["genkey"]]
      )
      assert.strictEqual(yield* aborts("heard"), 1)
    })
  )

  it.effect("is aborted while its answer comes, too", () =>
    Effect.gen(function* () {
      const scripted = yield* scriptedBackend
      scripted.script({ chat: [{ dribble: true }] })
      const { fiber, slot } = yield* attemptAt(scripted.url, () => scripted.calls.length === 1)
      yield* Fiber.interrupt(fiber)
      yield* Scope.close(slot, Exit.void)
      assert.strictEqual(scripted.aborts[0]?.genkey, scripted.calls[0]?.body["genkey"])
      yield* eventuallyLive(() => scripted.calls[0]?.closedEarlyAt !== undefined)
    })
  )

  it.effect("has what it had come to counted as the continuation that it is, without the mark of a beginning", () =>
    Effect.gen(function* () {
      const scripted = yield* scriptedBackend
      scripted.script({ chat: [{ hang: true, generated: "for nobody" }] })
      scripted.tell({ "/api/extra/tokencount": { body: { value: 2 } } })
      const { fiber, slot, wasted } = yield* attemptAt(scripted.url, () => scripted.calls.length === 1)
      yield* Fiber.interrupt(fiber)
      yield* Scope.close(slot, Exit.void)
      assert.deepStrictEqual(
        scripted.questions.map(({ body }) => body),
        [{ prompt: "for nobody", special: false }]
      )
      assert.strictEqual(yield* wasted, 2)
    })
  )

  it.effect("shows the backend's password with the abort", () =>
    Effect.gen(function* () {
      const raw = yield* rawBackend("never")
      const settings = { AI_TICKET_KOBOLDCPP_API_KEY: "open-sesame" }
      const { fiber, slot } = yield* attemptAt(raw.url, () => raw.requests.length === 1, settings)
      yield* Fiber.interrupt(fiber)
      yield* forked(Scope.close(slot, Exit.void))
      yield* eventuallyLive(() => raw.requests.length === 2)
      assert.match(raw.requests[1] ?? "", /^POST \/api\/extra\/abort /)
      assert.match(raw.requests[1] ?? "", /^authorization: Bearer open-sesame\r$/im)
      yield* TestClock.adjust("2 seconds")
    })
  )

  it.effect("frees the slot after two seconds when the backend doesn't hear the abort, and counts it", () =>
    Effect.gen(function* () {
      const raw = yield* rawBackend("never")
      const { aborts, fiber, slot } = yield* attemptAt(raw.url, () => raw.requests.length === 1)
      yield* Fiber.interrupt(fiber)
      const closing = yield* forked(Scope.close(slot, Exit.void))
      yield* eventuallyLive(() => raw.requests.length === 2)
      yield* TestClock.adjust(1999)
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
      assert.deepStrictEqual([yield* aborts("failed"), yield* aborts("heard")], [1, undefined])
    })
  )

  it.effect("is aborted when its connection broke late, since the backend may go on generating", () =>
    Effect.gen(function* () {
      const raw = yield* rawBackend("never")
      const { fiber } = yield* attemptAt(raw.url, () => raw.requests.length === 1)
      yield* TestClock.adjust(1001)
      raw.crash()
      yield* eventuallyLive(() => raw.requests.length === 2)
      const genkey = /"genkey":"([^"]+)"/
      assert.match(raw.requests[1] ?? "", /^POST \/api\/extra\/abort /)
      assert.strictEqual(genkey.exec(raw.requests[1] ?? "")?.[1], genkey.exec(raw.requests[0] ?? "")?.[1])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).code, "api_connection_error")
    })
  )

  it.effect("keeps its abort when the caller leaves while that one runs", () =>
    Effect.gen(function* () {
      const raw = yield* rawBackend("never")
      const { aborts, fiber, slot } = yield* attemptAt(raw.url, () => raw.requests.length === 1)
      yield* TestClock.adjust(1001)
      raw.crash()
      yield* eventuallyLive(() => raw.requests.length === 2)
      yield* Fiber.interrupt(fiber)
      const closing = yield* forked(Scope.close(slot, Exit.void))
      yield* eventuallyLive(() => raw.requests.length === 3)
      const genkeys = raw.requests.map((request) => /"genkey":"([^"]+)"/.exec(request)?.[1])
      assert.strictEqual(new Set(genkeys).size, 1)
      for (const request of raw.requests.slice(1)) assert.match(request, /^POST \/api\/extra\/abort /)
      yield* TestClock.adjust(1999)
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
      assert.strictEqual(yield* aborts("failed"), 1)
    })
  )

  it.effect("has nothing to abort when its connection broke at once", () =>
    Effect.gen(function* () {
      const raw = yield* rawBackend("never")
      const { fiber, slot } = yield* attemptAt(raw.url, () => raw.requests.length === 1)
      yield* TestClock.adjust(1000)
      raw.crash()
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber))).code, "api_connection_error")
      yield* Scope.close(slot, Exit.void)
      assert.strictEqual(raw.requests.length, 1)
    })
  )
})

describe("an attempt that ended", () => {
  it.effect("isn't aborted when its slot is given back", () =>
    Effect.gen(function* () {
      const scripted = yield* scriptedBackend
      const { fiber, slot } = yield* attemptAt(scripted.url, () => scripted.answered() === 1)
      assert.strictEqual((yield* Fiber.join(fiber)).text, " from chat ")
      yield* Scope.close(slot, Exit.void)
      assert.strictEqual(scripted.aborts.length, 0)
    })
  )
})
