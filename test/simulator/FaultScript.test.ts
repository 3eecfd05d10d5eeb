import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { formatStep, parseStep } from "../../src/simulator/FaultGrammar.ts"
import * as FaultQueue from "../../src/simulator/FaultQueue.ts"
import { FaultScript, parseScript } from "../../src/simulator/FaultScript.ts"
import { type Endpoint, FaultStep } from "../../src/simulator/FaultStep.ts"

const script = (...entries: ReadonlyArray<string>) => Result.getOrThrow(parseScript(entries))

/** What each of the requests gets, as it would be written. */
const play = (entries: ReadonlyArray<string>, endpoints: ReadonlyArray<Endpoint>, seed = 1) => {
  let queue = FaultQueue.start(script(...entries), seed)
  return endpoints.map((endpoint) => {
    const [step, rest] = FaultQueue.take(queue, endpoint)
    queue = rest
    return step === undefined ? "-" : formatStep({ ...step, repeat: { mode: "times", times: 1 } })
  })
}

describe("the grammar of faults", () => {
  it("reads what the documentation shows", () => {
    assert.deepStrictEqual(
      parseStep("503*2"),
      Result.succeed({
        endpoint: "any",
        fault: { kind: "status", status: 503 },
        delayMillis: 0,
        repeat: { mode: "times", times: 2 }
      })
    )
    assert.deepStrictEqual(
      parseStep(" chat/429:retry-after=2:delay=50* "),
      Result.succeed({
        endpoint: "chat",
        fault: { kind: "status", status: 429, retryAfter: { form: "seconds", seconds: 2 } },
        delayMillis: 50,
        repeat: { mode: "forever" }
      })
    )
    assert.deepStrictEqual(
      parseStep("generate/500:retry-after-date=9:body=a%2Cb@10%"),
      Result.succeed({
        endpoint: "generate",
        fault: { kind: "status", status: 500, retryAfter: { form: "date", seconds: 9 }, body: "a,b" },
        delayMillis: 0,
        repeat: { mode: "share", percent: 10 }
      })
    )
    assert.deepStrictEqual(
      parseStep("drip:every=5"),
      Result.succeed({
        endpoint: "any",
        fault: { kind: "drip", everyMillis: 5, bytes: 8 },
        delayMillis: 0,
        repeat: { mode: "times", times: 1 }
      })
    )
    assert.deepStrictEqual(
      parseStep("chat/cut:after=3*2"),
      Result.succeed({
        endpoint: "chat",
        fault: { kind: "cut", after: 3 },
        delayMillis: 0,
        repeat: { mode: "times", times: 2 }
      })
    )
    assert.deepStrictEqual(script("stall,end:after=0,garbage:after=7:delay=5,error*").map(formatStep), [
      "stall",
      "end:after=0",
      "garbage:after=7:delay=5",
      "error*"
    ])
    assert.deepStrictEqual(script("503*2, reset", "stall").map(formatStep), ["503*2", "reset", "stall"])
  })

  it.effect.prop(
    "writes every step so that it reads the same one",
    { step: FaultStep },
    ({ step }) => Effect.sync(() => assert.deepStrictEqual(parseStep(formatStep(step)), Result.succeed(step))),
    {
      arbitrary: { runs: 300 }
    }
  )

  it.effect.prop(
    "says one sentence about anything else",
    { text: Schema.String },
    ({ text }) =>
      Effect.sync(() => {
        const step = parseStep(text)
        if (Result.isFailure(step)) assert.match(step.failure, /^The fault ".*" is not understood: .*\.$/)
      }),
    { arbitrary: { runs: 300 } }
  )

  it("names the mistake", () => {
    const mistake = (text: string) => Result.getOrThrow(Result.flip(parseScript([text])))
    assert.include(mistake("503*x"), 'The fault "503*x" is not understood: a fault is written like')
    assert.include(mistake("explode"), "the kind is a status from 200 to 599 or one of ok, reset")
    assert.include(mistake("reset:retry-after=2"), '"reset" has the settings delay, and not "retry-after"')
    assert.include(mistake("cut:before=2"), '"cut" has the settings delay, after, and not "before"')
    assert.include(mistake("reset:after=2"), '"reset" has the settings delay, and not "after"')
    assert.include(mistake("cut:after=-1"), "a number is missing or out of bounds")
    assert.include(mistake("stall:after=1000001"), "a number is missing or out of bounds")
    assert.include(mistake("429:retry-after=soon"), "a number is missing or out of bounds")
    assert.include(mistake("199"), "a number is missing or out of bounds")
    assert.include(mistake("503@0%"), "a number is missing or out of bounds")
    assert.include(mistake("503*,reset"), '"reset" would never come: "503*" before it repeats for ever.')
    assert.include(mistake("503@60%,chat/reset@50%"), "The shares of the faults for chat add up to more than 100 %.")
  })

  it.effect("is a schema, whose error is that sentence", () =>
    Effect.gen(function* () {
      const steps = yield* Schema.decodeEffect(FaultScript)(["503*2,reset"])
      assert.deepStrictEqual(yield* Schema.encodeEffect(FaultScript)(steps), ["503*2", "reset"])
      const error = yield* Effect.flip(Schema.decodeEffect(FaultScript)(["explode"]))
      assert.match(error.message, /^The fault "explode" is not understood: [^\n]*\.$/)
    })
  )
})

describe("a script at work", () => {
  it("uses its steps up in order", () => {
    assert.deepStrictEqual(play(["503*2,ok,reset"], ["chat", "generate", "chat", "chat", "chat"]), [
      "503",
      "503",
      "ok",
      "reset",
      "-"
    ])
  })

  it("repeats the last one for ever", () => {
    assert.deepStrictEqual(play(["reset,503*"], ["chat", "chat", "chat", "chat"]), ["reset", "503", "503", "503"])
  })

  it("has steps for one endpoint, which come before those for any", () => {
    assert.deepStrictEqual(
      play(["reset", "chat/503", "generate/null*"], ["chat", "completion", "chat", "generate", "generate"]),
      ["chat/503", "reset", "-", "generate/null", "generate/null"]
    )
  })

  it("draws the shares by the seed, among the requests that nothing else takes", () => {
    const many = Array.from({ length: 2000 }, () => "chat" as const)
    const drawn = play(["ok", "503@10%", "reset@20%", "generate/null@50%"], many)
    const count = (kind: string) => drawn.filter((step) => step === kind).length
    assert.strictEqual(drawn[0], "ok")
    assert.approximately(count("503"), 200, 50)
    assert.approximately(count("reset"), 400, 60)
    assert.strictEqual(count("null"), 0)
    assert.deepStrictEqual(drawn, play(["ok", "503@10%", "reset@20%", "generate/null@50%"], many))
    assert.notDeepEqual(drawn, play(["ok", "503@10%", "reset@20%", "generate/null@50%"], many, 2))
  })
})
