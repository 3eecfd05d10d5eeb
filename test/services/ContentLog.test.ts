import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import type { AnswerPart } from "../../src/domain/Generation.ts"
import { contentLog } from "../../src/services/ContentLog.ts"

const piece = "x".repeat(1000)
const parts = (count: number) =>
  Stream.fromIterable(Array.from({ length: count }, (): AnswerPart => ({ _tag: "Text", text: piece, tokens: 1 })))

describe("the log of what was said", () => {
  for (const [count, kept, end] of [
    [262, 262_000, "x"],
    [1000, 256 * 1024 + 1, "…"]
  ] as const) {
    it.effect(`keeps ${kept} characters of a stream of ${count} thousand, and lets all of it through`, () =>
      Effect.gen(function* () {
        const completions: Array<string> = []
        const logger = Logger.make<unknown, void>(({ message }) => {
          const [, fields] = message as readonly [string, { readonly completion: string }]
          completions.push(fields.completion)
        })
        const request = { _tag: "Text", prompt: "p", fields: {} } as const
        const read = Stream.runCount(contentLog.streamed(request, parts(count)))
        assert.strictEqual(yield* Effect.provide(read, Logger.layer([logger])), count)
        assert.deepStrictEqual(
          completions.map((text) => [text.length, text.at(-1)]),
          [[kept, end]]
        )
      })
    )
  }
})
