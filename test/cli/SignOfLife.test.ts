import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as TestClock from "effect/testing/TestClock"
import { withSignOfLife } from "../../src/cli/SignOfLife.ts"
import { forked } from "../support/Forked.ts"

/** Something to wait for, on a terminal or not, and what a person would see of stderr by now: its last line. */
const waiting = Effect.fnUntraced(function* (terminal: boolean) {
  const written: Array<string> = []
  const write = (text: string | Uint8Array) => Effect.sync(() => written.push(String(text)))
  const stdio = Stdio.layerTest({
    stderr: () => Sink.forEach(write),
    stderrIsTerminal: Effect.succeed(terminal)
  })
  const answer = yield* Deferred.make<string, string>()
  const asking = yield* forked(Effect.provide(withSignOfLife(Deferred.await(answer)), stdio))
  return { answer, asking, written, seen: () => lineOf(written.join("")) }
})

/** What is on the line once text has been written over text. */
const lineOf = (text: string): string =>
  text
    .split("\r")
    .reduce((line, part) => part + line.slice(part.length), "")
    .trimEnd()

describe("waiting for an answer on a terminal", () => {
  it.effect("is told from the first second on, in one line that is gone when the answer is there", () =>
    Effect.gen(function* () {
      const { answer, asking, seen, written } = yield* waiting(true)
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(written, [])
      yield* TestClock.adjust(1)
      assert.strictEqual(seen(), "Waiting, 1 s")
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(seen(), "Waiting, 10 s")
      yield* Deferred.succeed(answer, "the answer")
      assert.strictEqual(yield* Fiber.join(asking), "the answer")
      assert.deepStrictEqual([seen(), written.at(-1)?.at(-1)], ["", "\r"])
      assert.match(written.join(""), /^[\r ,0-9A-Za-z]*$/, "neither colours nor new lines")
    })
  )

  it.effect("leaves nothing behind a failure, nor behind Ctrl-C, which the terminal echoes", () =>
    Effect.gen(function* () {
      const failing = yield* waiting(true)
      yield* TestClock.adjust("3 seconds")
      yield* Deferred.fail(failing.answer, "no")
      assert.strictEqual(yield* Effect.flip(Fiber.join(failing.asking)), "no")
      assert.strictEqual(failing.seen(), "")
      const left = yield* waiting(true)
      yield* TestClock.adjust("3 seconds")
      left.written.push("^C")
      yield* Fiber.interrupt(left.asking)
      assert.strictEqual(left.seen(), "")
    })
  )

  it.effect("is not told of an answer that is there within the second", () =>
    Effect.gen(function* () {
      const { answer, asking, written } = yield* waiting(true)
      yield* TestClock.adjust(500)
      yield* Deferred.succeed(answer, "quick")
      yield* Fiber.join(asking)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(written, [])
    })
  )
})

describe("waiting for an answer elsewhere", () => {
  it.effect("is not told at all", () =>
    Effect.gen(function* () {
      const { answer, asking, written } = yield* waiting(false)
      yield* TestClock.adjust("1 minute")
      yield* Deferred.succeed(answer, "the answer")
      assert.strictEqual(yield* Fiber.join(asking), "the answer")
      assert.deepStrictEqual(written, [])
    })
  )
})
