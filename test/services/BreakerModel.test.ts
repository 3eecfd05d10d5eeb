import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import type { BackendError } from "../../src/domain/BackendError.ts"
import { makeBreaker } from "../../src/services/Breaker.ts"
import { Breakers } from "../../src/services/Breakers.ts"
import { makeHealth } from "../../src/services/Health.ts"
import { Metrics } from "../../src/services/Metrics.ts"
import { monotonicMillis } from "../../src/services/MonotonicClock.ts"
import { Settings } from "../../src/services/Settings.ts"
import { backendError } from "../support/FakeBackend.ts"
import { forked } from "../support/Forked.ts"

const Step = Schema.Union([
  Schema.TaggedStruct("Requests", {
    atOnce: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 })),
    answered: Schema.Boolean
  }),
  Schema.TaggedStruct("Probe", { answered: Schema.Boolean }),
  Schema.TaggedStruct("Pause", { millis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20_000 })) })
])

/** What a breaker should be, told apart from how it is made. */
class Model {
  state: "closed" | "open" | "half_open" = "closed"
  openUntil = 0
  private readonly probed: boolean
  private last: Array<boolean> = []
  private streak = 0
  private openings = 0
  private openFor = 0
  private resetAt = 0
  private silent = false

  constructor(probed: boolean) {
    this.probed = probed
  }

  /** How many of so many that come at once are let through. */
  admits(now: number, atOnce: number): number {
    if (this.state === "closed") return atOnce
    if (this.state === "open" && (this.probed || now < this.openUntil)) return 0
    return 1
  }

  request(now: number, answered: boolean) {
    if (this.state !== "closed") this.settle(now, answered)
    else {
      this.calm(now)
      this.last = [...this.last, answered].slice(-20)
      this.streak = answered ? 0 : this.streak + 1
      const failed = this.last.filter((each) => !each).length
      if (!answered && this.last.length >= 10 && failed * 2 >= this.last.length) this.open(now)
    }
    if (!answered) this.silent = false
  }

  probe(now: number, answered: boolean) {
    if (this.state === "open" && now < this.openUntil) return
    if (this.state === "closed") {
      this.calm(now)
      if (answered && this.silent) this.streak = 0
      if (!answered) this.streak += 1
      if (!answered && this.streak >= 3) this.open(now)
    } else if (answered && !this.silent) this.state = "half_open"
    else this.settle(now, answered)
    if (!answered) this.silent = true
  }

  private settle(now: number, answered: boolean) {
    if (!answered) return this.open(now)
    this.state = "closed"
    this.resetAt = now + this.openFor
  }

  private open(now: number) {
    this.state = "open"
    this.openings += 1
    this.openFor = Math.min(1000 * 2 ** (this.openings - 1), 30_000)
    this.openUntil = now + this.openFor
    this.last = []
    this.streak = 0
  }

  private calm(now: number) {
    if (now >= this.resetAt) this.openings = 0
  }
}

const breakerThat = (probed: boolean) =>
  Effect.gen(function* () {
    const health = makeHealth(0)
    return yield* makeBreaker({ backend: "fake", key: "1", health, probed, turned: Effect.void })
  }).pipe(Effect.provide(Layer.merge(Breakers.layer, Metrics.layer).pipe(Layer.provide(Settings.layerRecord({})))))

describe("a breaker", () => {
  for (const probed of [false, true]) {
    it.effect.prop(
      `lets through whom it should and no one else, ${probed ? "with" : "without"} probes`,
      { steps: Schema.Array(Step).check(Schema.isMaxLength(60)) },
      ({ steps }) =>
        Effect.gen(function* () {
          const breaker = yield* breakerThat(probed)
          const model = new Model(probed)
          for (const step of steps) {
            const now = yield* monotonicMillis
            if (step._tag === "Pause") yield* TestClock.adjust(step.millis)
            else if (step._tag === "Probe") {
              if (!probed) continue
              yield* breaker.probe(Effect.succeed(step.answered))
              model.probe(now, step.answered)
            } else {
              let admitted = 0
              const answer = yield* Deferred.make<void, BackendError>()
              const request = Effect.suspend(() => {
                admitted += 1
                return Deferred.await(answer)
              })
              const fibers = yield* Effect.forEach(Array.from({ length: step.atOnce }), () =>
                forked(Effect.exit(breaker.guard(request)))
              )
              assert.strictEqual(admitted, model.admits(now, step.atOnce), "admitted")
              yield* Deferred.done(
                answer,
                step.answered ? Exit.void : Exit.fail(backendError("api_server_error", "retry"))
              )
              yield* Fiber.joinAll(fibers)
              // What ends after a turn that it didn't begin in says nothing.
              const before = model.state
              for (let at = 0; at < admitted && model.state === before; at++) model.request(now, step.answered)
            }
            const open = model.state === "open" && (probed || (yield* monotonicMillis) < model.openUntil)
            assert.strictEqual((yield* breaker.state) === "open", open)
            assert.strictEqual(Exit.isFailure(yield* Effect.exit(breaker.check)), open)
          }
        }).pipe(Effect.scoped),
      { arbitrary: { runs: 300 } }
    )
  }
})
