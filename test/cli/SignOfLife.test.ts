import { assert, describe, it } from "@effect/vitest"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { withSignOfLife, withSignOfLifeAtFirst } from "../../src/cli/SignOfLife.ts"
import { forked } from "../support/Forked.ts"

/** A stderr that is a terminal or not, and what a person would see of it by now: its last line. */
const watched = (terminal: boolean) => {
  const written: Array<string> = []
  const write = (text: string | Uint8Array) => Effect.sync(() => written.push(String(text)))
  const stdio = Stdio.layerTest({
    stderr: () => Sink.forEach(write),
    stderrIsTerminal: Effect.succeed(terminal)
  })
  return { written, stdio, seen: () => lineOf(written.join("")) }
}

/** Something to wait for. */
const waiting = Effect.fnUntraced(function* (terminal: boolean) {
  const { seen, stdio, written } = watched(terminal)
  const answer = yield* Deferred.make<string, string>()
  const asking = yield* forked(Effect.provide(withSignOfLife(Deferred.await(answer)), stdio))
  return { answer, asking, written, seen }
})

/** A stream to wait for, and what it has brought. */
const waitingForStream = Effect.fnUntraced(function* (terminal: boolean) {
  const { seen, stdio, written } = watched(terminal)
  const source = yield* Queue.unbounded<string, string | Cause.Done>()
  const heard: Array<string> = []
  const hearing = yield* forked(
    Stream.fromQueue(source).pipe(
      withSignOfLifeAtFirst,
      Stream.runForEach((text) => Effect.sync(() => heard.push(text))),
      Effect.provide(stdio)
    )
  )
  return { source, hearing, heard, written, seen }
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

describe("waiting for a stream on a terminal", () => {
  it.effect("is told until something comes, and not again however long the rest takes", () =>
    Effect.gen(function* () {
      const { heard, hearing, seen, source, written } = yield* waitingForStream(true)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(seen(), "Waiting, 3 s")
      yield* Queue.offer(source, "first")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([heard, seen()], [["first"], ""])
      const told = written.length
      yield* TestClock.adjust("1 minute")
      yield* Queue.offer(source, "second")
      yield* Queue.end(source)
      yield* Fiber.join(hearing)
      assert.deepStrictEqual([heard, written.length], [["first", "second"], told])
    })
  )

  it.effect("leaves nothing behind a stream that fails or ends before anything came", () =>
    Effect.gen(function* () {
      const failing = yield* waitingForStream(true)
      yield* TestClock.adjust("3 seconds")
      yield* Queue.fail(failing.source, "no")
      assert.strictEqual(yield* Effect.flip(Fiber.join(failing.hearing)), "no")
      assert.strictEqual(failing.seen(), "")
      const ending = yield* waitingForStream(true)
      yield* TestClock.adjust("3 seconds")
      yield* Queue.end(ending.source)
      yield* Fiber.join(ending.hearing)
      assert.strictEqual(ending.seen(), "")
    })
  )

  it.effect("is not told at all elsewhere", () =>
    Effect.gen(function* () {
      const { heard, source, written } = yield* waitingForStream(false)
      yield* TestClock.adjust("1 minute")
      yield* Queue.offer(source, "first")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([heard, written], [["first"], []])
    })
  )
})
