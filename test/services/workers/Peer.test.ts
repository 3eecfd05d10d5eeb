import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import { makePeer, type Peer } from "../../../src/services/workers/Peer.ts"

type Asks = { readonly double: { readonly about: number; readonly answer: number } }

/** Two ends of a channel that carries JSON, and what goes over it. */
const channel = Effect.gen(function* () {
  const run = yield* FiberSet.makeRuntime<never>()
  const batches: Array<ReadonlyArray<unknown>> = []
  const told: Array<string> = []
  const ends: { one?: Peer<string, Asks>; other?: Peer<string, Asks> } = {}
  const end = (to: "one" | "other", answer: (about: number) => Effect.Effect<number>) =>
    makePeer<string, Asks, string, Asks>({
      run,
      post: (batch) => {
        batches.push(batch)
        ends[to]?.receive(JSON.parse(JSON.stringify(batch)))
      },
      told: (text) => told.push(text),
      answers: { double: answer }
    })
  const one = end("other", () => Effect.never)
  const other = end("one", (about) => Effect.succeed(about * 2))
  Object.assign(ends, { one, other })
  return { batches, one, other, told }
})

describe("two processes that speak with each other", () => {
  it.live("gather what they say in one turn, in its order", () =>
    Effect.gen(function* () {
      const { batches, one, told } = yield* channel
      const answers = yield* Effect.forkScoped(
        Effect.all([one.ask("double", 1), one.ask("double", 2)], { concurrency: 2 }),
        { startImmediately: true }
      )
      one.tell("a")
      one.tell("b")
      assert.deepStrictEqual(yield* Fiber.join(answers), [2, 4])
      assert.deepStrictEqual(told, ["a", "b"])
      assert.deepStrictEqual(
        batches.map(({ length }) => length),
        [4, 2]
      )
    })
  )

  it.live("send at once what must be on its way, behind what was said before", () =>
    Effect.gen(function* () {
      const { one, told } = yield* channel
      one.tell("a")
      one.tellNow("b")
      assert.deepStrictEqual(told, ["a", "b"])
    })
  )

  it.live("tell whoever waits for an answer that the other is gone", () =>
    Effect.gen(function* () {
      const { one, other } = yield* channel
      const waiting = yield* Effect.forkScoped(Effect.exit(other.ask("double", 1)), { startImmediately: true })
      other.gone()
      assert.isTrue(Exit.isFailure(yield* Fiber.join(waiting)))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(other.ask("double", 1))))
      assert.strictEqual((yield* Effect.flip(other.ask("double", 1)))._tag, "PeerGone")
      one.gone()
    })
  )
})
