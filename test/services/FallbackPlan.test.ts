import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { BackendError, Remedy } from "../../src/domain/BackendError.ts"
import { firstAnswer } from "../../src/services/FallbackPlan.ts"
import { backendError } from "../support/FakeBackend.ts"

type Ends = "answer" | BackendError

/** Runs three options that end like this, and tells which ran and how often the next one was taken. */
const run = (ends: readonly [Ends, Ends, Ends], allowed: (remedy: Remedy) => boolean = () => true) =>
  Effect.gen(function* () {
    const tried: Array<number> = []
    let fallbacks = 0
    const result = yield* Effect.result(
      firstAnswer(
        [0, 1, 2],
        (option) => {
          tried.push(option)
          const end = ends[option] ?? "answer"
          return end === "answer" ? Effect.succeed(option) : Effect.fail(end)
        },
        (remedy) => Effect.succeed(allowed(remedy)),
        Effect.sync(() => {
          fallbacks += 1
        })
      )
    )
    return { tried, fallbacks, outcome: result._tag === "Success" ? result.success : result.failure }
  })

const busy = backendError("api_server_error", "retry")
const odd = backendError("api_response_format_error", "next")
const absent = backendError("api_client_error", "absent")
const refused = backendError("api_client_error", "give up")

describe("firstAnswer", () => {
  it.effect("stops at the first answer", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(["answer", "answer", "answer"]), { tried: [0], fallbacks: 0, outcome: 0 })
    })
  )

  it.effect("takes the next one after any failure that another path may mend", () =>
    Effect.gen(function* () {
      for (const error of [busy, odd, absent]) {
        const ran = yield* run([error, error, "answer"])
        assert.deepStrictEqual(ran, { tried: [0, 1, 2], fallbacks: 2, outcome: 2 })
      }
    })
  )

  it.effect("ends where it is told to give up", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run([refused, "answer", "answer"]), { tried: [0], fallbacks: 0, outcome: refused })
      const second = yield* run([odd, refused, "answer"])
      assert.deepStrictEqual(second, { tried: [0, 1], fallbacks: 1, outcome: refused })
    })
  )

  it.effect("ends when it isn't allowed another attempt, asked with the remedy", () =>
    Effect.gen(function* () {
      const ran = yield* run([odd, busy, "answer"], (remedy) => remedy !== "retry")
      assert.deepStrictEqual(ran, { tried: [0, 1], fallbacks: 1, outcome: busy })
    })
  )

  it.effect("fails with the error that tells most", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* run([busy, odd, absent])).outcome, odd)
      assert.strictEqual((yield* run([busy, absent, absent])).outcome, busy)
      assert.strictEqual((yield* run([absent, absent, odd])).outcome, odd)
      assert.strictEqual((yield* run([absent, absent, absent])).outcome, absent)
    })
  )
})
