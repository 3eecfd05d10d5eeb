import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { type CutShort, DeadlineExceeded } from "../../../src/domain/Failure.ts"
import type { GenerationPart } from "../../../src/domain/Generation.ts"
import { wireEndpoints } from "../../../src/services/backends/koboldcpp/KoboldCppWire.ts"
import { readParts, untilFirstText } from "../../../src/services/backends/StreamParts.ts"
import type { BrokenCall } from "../../../src/services/backends/Transport.ts"
import type { Parts } from "../../../src/services/InferenceBackend.ts"
import { startingWith } from "../../../src/services/StartingWith.ts"
import { dialectStream, dialects } from "../../support/DialectStream.ts"
import { forked } from "../../support/Forked.ts"

type Chunks = Pull.Pull<string, BrokenCall | CutShort>

const reset: BrokenCall = { reached: true, oversized: false, reason: "reset" }

/** Chunks that are there at once, and what comes after them. */
const chunksOf = (pieces: ReadonlyArray<string>, end: Chunks = Cause.done()): Chunks => {
  const left = [...pieces]
  return Effect.suspend(() => {
    const next = left.shift()
    return next === undefined ? end : Effect.succeed(next)
  })
}

const read = (chunks: Chunks, endpoint: (typeof wireEndpoints)[number] = wireEndpoints[0]) =>
  readParts(chunks, endpoint.readEvent)

/** All parts, and how they ended. */
const collect = <E extends { readonly _tag: string }>(
  pull: Pull.Pull<Parts, E>,
  parts: ReadonlyArray<GenerationPart> = []
): Effect.Effect<{ readonly parts: ReadonlyArray<GenerationPart>; readonly ended: E | "done" }> =>
  Effect.matchEffect(pull, {
    onSuccess: (more) => collect(pull, [...parts, ...more]),
    onFailure: (error) => Effect.succeed({ parts, ended: Cause.isDone(error) ? "done" : error })
  })

const textOf = (text: string) => ({ _tag: "Text" as const, text, tokens: 1 })
const end = { _tag: "End" as const, finishReason: "stop" }
const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`
const said = (content: string, finish_reason: string | null = null) =>
  event({ choices: [{ index: 0, delta: { content }, finish_reason }] })

const texts = ["Hé", " 😀\n", "data: x\n\n", " end"]

describe.each(dialects)("a stream of %s", (dialect) => {
  for (const endpoint of wireEndpoints) {
    const pieces = dialectStream(dialect, endpoint.name, texts)
    const expected = { parts: [...texts.map(textOf), end], ended: "done" as const }

    it.effect(`from ${endpoint.name} is its texts and its end`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* collect(read(chunksOf(pieces), endpoint).pull), expected)
        const reader = read(chunksOf([pieces.join("")]), endpoint)
        assert.isFalse(reader.finished())
        // What comes in one chunk is handed on at once.
        assert.strictEqual((yield* reader.pull).length >= texts.length, true)
        assert.isTrue(reader.finished())
        assert.strictEqual(reader.model(), endpoint.name === "generate" ? undefined : "koboldcpp/scripted")
      })
    )

    it.effect(`from ${endpoint.name} is the same wherever it is cut`, () =>
      Effect.gen(function* () {
        const whole = pieces.join("")
        for (let at = 1; at < whole.length; at++) {
          const reader = read(chunksOf([whole.slice(0, at), whole.slice(at)]), endpoint)
          assert.deepStrictEqual(yield* collect(reader.pull), expected)
        }
        assert.deepStrictEqual(yield* collect(read(chunksOf(whole.split("")), endpoint).pull), expected)
      })
    )
  }
})

describe("a stream of events", () => {
  it.effect.prop(
    "may have comments, other fields and any line ends in it",
    {
      crlf: Schema.Boolean,
      between: Schema.Array(Schema.Literals([": ping", "id: 7", "retry: 10", "event: message", ""]))
    },
    ({ between, crlf }) =>
      Effect.gen(function* () {
        const lines = [said("a"), ...between.map((line) => `${line}\n`), said("b", "stop")].join("")
        const { ended, parts } = yield* collect(read(chunksOf([crlf ? lines.replaceAll("\n", "\r\n") : lines])).pull)
        assert.deepStrictEqual([parts, ended], [[textOf("a"), textOf("b"), end], "done"])
      })
  )

  it.effect("tells of usage and calls of tools", () =>
    Effect.gen(function* () {
      const call = { index: 0, id: "call_1" }
      const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }
      const pieces = [
        event({ choices: [{ delta: { tool_calls: [call] }, finish_reason: null }] }),
        event({ choices: [{ delta: {}, finish_reason: "tool_calls" }] }),
        event({ choices: [], usage }),
        "data: [DONE]\n\n"
      ]
      const { parts } = yield* collect(read(chunksOf(pieces)).pull)
      assert.deepStrictEqual(parts, [
        { ...textOf(""), toolCalls: [call] },
        { _tag: "End", finishReason: "tool_calls", usage: { promptTokens: 7, completionTokens: 3 } }
      ])
    })
  )

  const told = { _tag: "Told" }
  const brokeOff = { _tag: "Broken", reason: "the stream ended before its finish reason" }
  const deadline = new DeadlineExceeded({ budgetMillis: 1 })
  it.effect.each<readonly [string, ReadonlyArray<string>, Chunks, unknown]>([
    ["an end without a finish reason", [], Cause.done(), brokeOff],
    ["[DONE] without one", ["data: [DONE]\n\n"], Cause.done(), brokeOff],
    ["an end in the middle of an event", [said("b").slice(0, -10)], Cause.done(), brokeOff],
    ["a reset", [], Effect.fail(reset), { _tag: "Broken", reason: "reset" }],
    [
      "a reset in the middle of an event",
      [said("b").slice(0, -10)],
      Effect.fail(reset),
      { _tag: "Broken", reason: "reset" }
    ],
    ["an event that isn't JSON", ["data: {\n\n", said("b", "stop")], Cause.done(), { _tag: "NotJson" }],
    ["an event of another shape", [event({ choices: "none" }), said("b", "stop")], Cause.done(), { _tag: "Shape" }],
    [
      "an event without end",
      [
        "data: ",
        ..."x"
          .repeat(20)
          .split("")
          .map((x) => x.repeat(100_000))
      ],
      Cause.done(),
      { _tag: "NotJson" }
    ],
    ["an error in the stream", [event({ error: { message: "no" } }), said("b", "stop")], Cause.done(), told],
    ["an error of a proxy", [event({ detail: { msg: "no" } })], Cause.done(), told],
    ["an event named error", ["event: error\ndata: {}\n\n"], Cause.done(), told],
    ["an error as the reason for the end", [said("", "error"), "data: [DONE]\n\n"], Cause.done(), told],
    ["what cut it short", [], Effect.fail(deadline), deadline]
  ])("ends with %s, after what came before", ([, pieces, after, fault]) =>
    Effect.gen(function* () {
      const { ended, parts } = yield* collect(read(chunksOf([said("a"), ...pieces], after)).pull)
      assert.deepStrictEqual([parts, ended], [[textOf("a")], fault])
    })
  )
})

describe("a stream that has told its finish reason", () => {
  const complete = [said("a"), said("", "stop")]

  it.effect.each<readonly [string, ReadonlyArray<string>, Chunks]>([
    ["is closed", [], Cause.done()],
    ["is reset", [], Effect.fail(reset)],
    ["goes on with what isn't JSON", ["data: {\n\n"], Cause.done()],
    ["goes on with an error", [event({ error: "late" })], Cause.done()],
    ["breaks off in the middle of its mark", ["data: [DO"], Cause.done()],
    ["meets its deadline", [], Effect.fail(new DeadlineExceeded({ budgetMillis: 1 }))]
  ])("is complete when it %s", ([, pieces, after]) =>
    Effect.gen(function* () {
      const { ended, parts } = yield* collect(read(chunksOf([...complete, ...pieces], after)).pull)
      assert.deepStrictEqual([parts, ended], [[textOf("a"), end], "done"])
    })
  )

  it.effect("has another second to be closed", () =>
    Effect.gen(function* () {
      const reading = yield* forked(collect(read(chunksOf(complete, Effect.never)).pull))
      yield* TestClock.adjust(999)
      assert.isUndefined(reading.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(reading), { parts: [textOf("a"), end], ended: "done" })
    })
  )
})

describe("a stream that may be silent for a second", () => {
  const broken = { _tag: "Broken" as const, reason: "it said nothing for 1 second" }
  /** The pieces, each after so many milliseconds. */
  const paced = (...pieces: ReadonlyArray<readonly [number, string]>): Chunks => {
    const left = [...pieces]
    return Effect.suspend(() => {
      const [millis, text] = left.shift() ?? []
      return millis === undefined || text === undefined ? Effect.never : Effect.delay(Effect.succeed(text), millis)
    })
  }
  const reading = (chunks: Chunks) => forked(collect(readParts(chunks, wireEndpoints[0].readEvent, 1000).pull))

  it.effect("breaks off at the next pause that is as long, and not before", () =>
    Effect.gen(function* () {
      const fiber = yield* reading(paced([0, said("a")], [999, said("b")], [999, ": alive\n\n"]))
      yield* TestClock.adjust(2997)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(fiber), { parts: [textOf("a"), textOf("b")], ended: broken })
    })
  )

  it.effect("has all the time that it needs to its first text", () =>
    Effect.gen(function* () {
      const fiber = yield* reading(paced([0, said("")], [60_000, said("\n")], [60_000, said("a", "stop")]))
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { parts: [textOf("\n"), textOf("a"), end], ended: "done" })
    })
  )

  it.effect("is not silent while nobody reads it", () =>
    Effect.gen(function* () {
      const { pull } = readParts(chunksOf([said("a"), said("b", "stop")]), wireEndpoints[0].readEvent, 1000)
      assert.deepStrictEqual(yield* pull, [textOf("a")])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* pull, [textOf("b")])
    })
  )
})

describe("untilFirstText", () => {
  const partsOf = (...all: ReadonlyArray<GenerationPart>): Pull.Pull<Parts, "broke"> => {
    const left = [...all]
    return Effect.suspend(() => {
      const next = left.shift()
      return next === undefined ? Effect.fail("broke") : Effect.succeed([next] as const)
    })
  }

  it.effect("holds white space back until there is more, and loses none of it", () =>
    Effect.gen(function* () {
      const pull = partsOf(textOf("\n"), textOf(" "), textOf("a"), textOf("b"))
      const first = yield* untilFirstText(pull)
      assert.deepStrictEqual(first, [textOf("\n"), textOf(" "), textOf("a")])
      const rest = startingWith(first, pull)
      assert.deepStrictEqual([yield* rest, yield* rest], [first, [textOf("b")]])
    })
  )

  it.effect("takes a call of a tool for text, and the end for an answer", () =>
    Effect.gen(function* () {
      const call = { ...textOf(""), toolCalls: [{ id: "call_1" }] }
      assert.deepStrictEqual(yield* untilFirstText(partsOf(textOf(" "), call, textOf("a"))), [textOf(" "), call])
      assert.deepStrictEqual(yield* untilFirstText(partsOf(textOf(" "), end)), [textOf(" "), end])
      assert.strictEqual(yield* Effect.flip(untilFirstText(partsOf(textOf(" ")))), "broke")
    })
  )

  it.effect("stays as quick as its input when a model says nothing for long", () =>
    Effect.gen(function* () {
      const blanks = Array.from({ length: 100_000 }, () => textOf("\n"))
      let at = 0
      const pull = Effect.suspend(() => Effect.succeed([blanks[at++] ?? textOf("a")] as const))
      assert.strictEqual((yield* untilFirstText(pull)).length, 100_001)
    })
  )

  it.effect("gives a model up that says nothing without end", () =>
    Effect.gen(function* () {
      for (const blank of ["\n", " ".repeat(10_000)]) {
        const fault = yield* Effect.flip(untilFirstText(Effect.succeed([textOf(blank)] as const)))
        assert.deepStrictEqual(fault, { _tag: "Endless" })
      }
    })
  )
})
