import { Readable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import { readChunks } from "../../../src/services/backends/ChunkReader.ts"
import { eventuallyLive } from "../../support/Eventually.ts"
import { forked } from "../../support/Forked.ts"

/** A body whose bytes the test pushes, `null` for its end. */
const body = () => {
  const source = new Readable({ read: () => {} })
  const { end, fail, push, reader } = readChunks<string>({
    pause: () => source.pause(),
    resume: () => source.resume()
  })
  source.on("data", push)
  source.on("end", end)
  source.on("error", () => fail("broken"))
  source.on("close", () => fail("closed"))
  return { source, reader }
}

/** Everything that is left, and how it ended. */
const drained = (pull: Pull.Pull<string, string>, text = ""): Effect.Effect<readonly [string, string]> =>
  Effect.matchEffect(pull, {
    onSuccess: (more) => drained(pull, text + more),
    onFailure: (error) => Effect.succeed([text, Cause.isDone(error) ? "done" : error] as const)
  })

const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 })))

describe("readChunks", () => {
  it.effect.prop(
    "gives the text that was sent, wherever its bytes were cut",
    { text: Schema.String, cuts: Cuts },
    ({ cuts, text }) =>
      Effect.gen(function* () {
        const { reader, source } = body()
        // UTF-8 has no lone surrogates.
        const whole = Buffer.from(`${text}é€😀`).toString()
        const bytes = Buffer.from(whole)
        const places = [0, ...cuts.map((cut) => Math.floor((bytes.length * cut) / 100)).sort((a, b) => a - b)]
        const reading = yield* forked(drained(reader.pull))
        for (const [at, place] of places.entries()) source.push(bytes.subarray(place, places[at + 1]))
        source.push(null)
        assert.deepStrictEqual(yield* Fiber.join(reading), [whole, "done"])
      })
  )

  it.effect("gives each piece as it comes, and never half a character", () =>
    Effect.gen(function* () {
      const { reader, source } = body()
      const pulls = yield* forked(Effect.all([reader.pull, reader.pull, reader.pull]))
      for (const byte of Buffer.from("€é😀")) {
        source.push(Buffer.of(byte))
        yield* eventuallyLive(() => source.readableLength === 0)
      }
      assert.deepStrictEqual(yield* Fiber.join(pulls), ["€", "é", "😀"])
    })
  )

  it.effect("holds a bounded piece for a reader that doesn't pull, and goes on when it does", () =>
    Effect.gen(function* () {
      const { reader, source } = body()
      const piece = "x".repeat(10_000)
      for (let at = 0; at < 20; at++) source.push(piece)
      yield* eventuallyLive(() => source.isPaused())
      const first = yield* reader.pull
      assert.isBelow(first.length, 64 * 1024 + piece.length + 1)
      assert.isAtLeast(first.length, 64 * 1024)
      source.push(null)
      assert.deepStrictEqual(yield* drained(reader.pull, first), [piece.repeat(20), "done"])
    })
  )

  it.effect("tells how it ended after all that had come", () =>
    Effect.gen(function* () {
      for (const [end, told] of [
        [(source: Readable) => source.push(null), "done"],
        [(source: Readable) => source.destroy(new Error("reset")), "broken"],
        [(source: Readable) => source.destroy(), "closed"]
      ] as const) {
        const { reader, source } = body()
        source.push("so far")
        yield* eventuallyLive(() => source.readableLength === 0)
        end(source)
        yield* eventuallyLive(() => source.closed)
        assert.deepStrictEqual(yield* drained(reader.pull), ["so far", told])
        assert.deepStrictEqual(yield* drained(reader.pull), ["", told])
      }
    })
  )

  it.effect("loses nothing when a pull is given up", () =>
    Effect.gen(function* () {
      const { reader, source } = body()
      yield* Fiber.interrupt(yield* forked(reader.pull))
      source.push("kept")
      source.push(null)
      assert.deepStrictEqual(yield* drained(reader.pull), ["kept", "done"])
    })
  )

  it.effect("fails from then on when told to: a pull that waits, too", () =>
    Effect.gen(function* () {
      const { reader } = body()
      const waiting = yield* forked(Effect.flip(reader.pull))
      reader.fail("told to")
      assert.strictEqual(yield* Fiber.join(waiting), "told to")
      assert.strictEqual(yield* Effect.flip(reader.pull), "told to")
    })
  )

  it.effect("gives nothing more once told to fail, however much has come or comes", () =>
    Effect.gen(function* () {
      const { reader, source } = body()
      source.push("before")
      yield* eventuallyLive(() => source.readableLength === 0)
      reader.fail("told to")
      source.push("after")
      yield* eventuallyLive(() => source.readableLength === 0)
      assert.deepStrictEqual(yield* drained(reader.pull), ["", "told to"])
    })
  )
})
