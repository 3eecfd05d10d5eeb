import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { abort, generate, generateStream, inLine, post, running, slow, withSimulator } from "./RawHttp.ts"
import { openStream, textsIn } from "./RawStream.ts"

const fast = { tokensPerSecond: 0 } as const
const native = "/api/extra/generate/stream"
const asked = { prompt: "Say something", max_length: 8 }
const event = (data: string) => `event: message\ndata: ${data}\n\n`
const token = (text: string) => event(`{"token": "${text}", "finish_reason": null}`)
const finish = event('{"token": "", "finish_reason": "length"}')

describe("faults part of the way through a stream", () => {
  it.live("cut it off after so many tokens, in half if none are named, or close it as if that were all", () =>
    withSimulator({ ...fast, faults: ["cut:after=3,end:after=5,cut,end:after=0,end:after=99"] }, (simulator) =>
      Effect.gen(function* () {
        const expected = [
          ["ECONNRESET", token("Simulated answer")],
          ["end", token("Simulated answer to") + token(" Say")],
          ["ECONNRESET", token("Simulated answer to")],
          ["end", ""],
          ["end", token("Simulated answer to") + token(" Say something: Writes")]
        ]
        for (const [ended, body] of expected) {
          const answer = yield* post(simulator, native, asked)
          assert.deepStrictEqual([answer.status, answer.ended, answer.body], [200, ended, body])
          assert.strictEqual(answer.headers.get("content-type"), "text/event-stream")
        }
        const { generations } = yield* simulator.ledger
        assert.deepStrictEqual(
          generations.map(({ outcome, reason, written }) => [outcome, reason, written]),
          [
            ["fault", "cut:after=3", 3],
            ["fault", "end:after=5", 5],
            ["fault", "cut", 4],
            ["fault", "end:after=0", 0],
            ["fault", "end:after=99", 8]
          ]
        )
        assert.strictEqual((yield* post(simulator, native, asked)).body.endsWith(finish), true)
      })
    )
  )

  it.live("put garbage between its events, or end it with an error", () =>
    withSimulator({ ...fast, faults: ["garbage:after=6,error:after=2,chat/garbage:after=1,chat/error"] }, (simulator) =>
      Effect.gen(function* () {
        const garbage = yield* post(simulator, native, asked)
        assert.strictEqual(
          garbage.body,
          `${token("Simulated answer to")}${token(" Say someth")}${event('{"simulated": "garba')}${token("ing: Writes")}${finish}`
        )
        const error = yield* post(simulator, native, asked)
        assert.strictEqual(error.body, token("Simulated") + event('{"token": "", "finish_reason": "error"}'))
        assert.strictEqual(error.ended, "end")

        const chat = post(simulator, "/v1/chat/completions", { messages: [], max_tokens: 6, stream: true })
        const spoilt = yield* chat
        assert.deepStrictEqual(textsIn(spoilt.body), ["Simula", "ted answer to", " nothing:", ""])
        assert.include(spoilt.body, '}\n\ndata: {"simulated": "garba\n\ndata: {')
        assert.isTrue(spoilt.body.endsWith("data: [DONE]\n\n"))
        const broken = yield* chat
        assert.deepStrictEqual(textsIn(broken.body), ["Simulated answer"])
        assert.isTrue(
          broken.body.endsWith(
            '}\n\ndata: {"error": {"message": "Simulated error.", "type": "server_error", "code": 500}}\n\n'
          )
        )
        assert.deepStrictEqual(
          (yield* simulator.ledger).generations.map(({ outcome, reason }) => [outcome, reason]),
          [
            ["completed", "garbage:after=6"],
            ["fault", "error:after=2"],
            ["completed", "chat/garbage:after=1"],
            ["fault", "chat/error"]
          ]
        )
      })
    )
  )

  it.live("leave it silent, with the model in hand, until it is aborted", () =>
    withSimulator({ ...fast, faults: ["stall:after=3"] }, (simulator) =>
      Effect.gen(function* () {
        const stream = yield* openStream(simulator, native, { ...asked, genkey: "a" })
        yield* stream.until((received) => received.endsWith(token("Simulated answer")))
        yield* Effect.forkChild(generate(simulator, { genkey: "next" }), { startImmediately: true })
        yield* inLine(simulator, 1)
        assert.deepStrictEqual(yield* abort(simulator, "a"), { success: "true", done: "true" })
        const { generations } = yield* simulator.until(({ totals }) => totals.outcomes.completed === 1)
        assert.deepInclude(generations[0], { outcome: "aborted", reason: "stall:after=3", written: 3 })
        // It is silent still: neither the abort nor the end of the generation is told.
        const silence = yield* stream.until(() => true)
        assert.isTrue(silence.endsWith(token("Simulated answer")))
      }).pipe(Effect.scoped)
    )
  )

  it.live("leave it silent until its client goes", () =>
    withSimulator({ ...fast, faults: ["stall:after=99"] }, (simulator) =>
      Effect.gen(function* () {
        const stream = yield* openStream(simulator, native, asked)
        yield* stream.until((received) => received.endsWith(token(" Say something: Writes")))
        yield* stream.leave
        assert.strictEqual((yield* generate(simulator)).status, 200)
        const [record] = (yield* simulator.ledger).generations
        assert.deepInclude(record, { outcome: "disconnected", reason: "stall:after=99", written: 8 })
      }).pipe(Effect.scoped)
    )
  )

  it.live("give way to an abort that comes first", () =>
    withSimulator({ ...slow, faults: ["cut:after=5"] }, (simulator) =>
      Effect.gen(function* () {
        const stream = yield* openStream(simulator, native, { ...asked, genkey: "a" })
        yield* running(simulator, "a")
        yield* abort(simulator, "a")
        const { body, ended } = yield* stream.ended
        assert.deepStrictEqual([body, ended], [finish, "end"])
      }).pipe(Effect.scoped)
    )
  )
})

describe("other faults of a stream", () => {
  it.live("drip its bytes, in the middle of events and of characters", () =>
    withSimulator({ ...fast, faults: ["drip:every=1:bytes=3"] }, (simulator) =>
      Effect.gen(function* () {
        const fields = { prompt: "ééé 😀😀", max_length: 8 }
        const stream = yield* openStream(simulator, native, fields)
        const dripped = yield* stream.ended
        const plain = yield* post(simulator, native, fields)
        assert.strictEqual(dripped.body, plain.body)
        const chunks = stream.chunks()
        assert.isAbove(chunks.length, 20)
        const apart = chunks.map((chunk) => chunk.toString()).join("")
        assert.include(apart, "\u{fffd}", "no character was split")
        assert.deepInclude((yield* simulator.ledger).generations[0], { outcome: "completed", written: 8 })
      }).pipe(Effect.scoped)
    )
  )

  it.live("that stand in for the model come as a stream where one was asked for", () =>
    withSimulator({ ...fast, faults: ["malformed,shape,null,empty,chat/empty,503,200:body={},stall"] }, (simulator) =>
      Effect.gen(function* () {
        for (const body of [
          event('{"simulated": "garba'),
          event('{"simulated": "JSON of another shape"}'),
          event("null"),
          event('{"token": "", "finish_reason": "stop"}')
        ]) {
          const answer = yield* generateStream(simulator)
          assert.deepStrictEqual([answer.status, answer.body, answer.ended], [200, body, "end"])
          assert.strictEqual(answer.headers.get("content-type"), "text/event-stream")
        }
        const empty = yield* post(simulator, "/v1/chat/completions", { messages: [], stream: true })
        assert.deepStrictEqual(textsIn(empty.body), [""])
        assert.isTrue(empty.body.endsWith('"content": ""}}]}\n\ndata: [DONE]\n\n'))
        assert.strictEqual((yield* generateStream(simulator)).status, 503)
        const whole = yield* generateStream(simulator)
        assert.deepStrictEqual([whole.body, whole.headers.get("content-type")], ["{}", "application/json"])
        const stalled = yield* openStream(simulator, native, asked)
        yield* simulator.until(({ totals }) => totals.outcomes.fault === 8)
        assert.deepStrictEqual(stalled.chunks(), [])
        assert.isTrue((yield* simulator.ledger).generations.every(({ stream }) => stream))
      }).pipe(Effect.scoped)
    )
  )

  it.live("have a meaning for an answer that comes whole, too", () =>
    withSimulator(
      { ...fast, faults: ["cut:after=3,end:after=3,garbage:after=3,error:after=3,stall:after=3"] },
      (simulator) =>
        Effect.gen(function* () {
          for (const wanted of ["ECONNRESET", "end"]) {
            const { body, ended, headers, status } = yield* generate(simulator)
            assert.deepStrictEqual([status, ended], [200, wanted])
            assert.strictEqual(body.length, Math.floor(Number(headers.get("content-length")) / 2))
          }
          assert.match((yield* generate(simulator)).body, /^\{"results": \[\{"text": "[^"]*$/)
          assert.strictEqual((yield* generate(simulator)).status, 500)
          const stalled = yield* openStream(simulator, "/api/v1/generate", asked)
          yield* simulator.until(({ totals }) => totals.outcomes.fault === 3)
          assert.deepStrictEqual(stalled.chunks(), [])
        }).pipe(Effect.scoped)
    )
  )
})
