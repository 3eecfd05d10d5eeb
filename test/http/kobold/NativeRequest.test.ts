import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readNative } from "../../../src/http/kobold/NativeRequest.ts"

const JsonFields = Schema.Record(Schema.String, Schema.Json)

describe("a native request", () => {
  it.effect.prop("is refused, or passed on as it came but for its key", { fields: JsonFields }, ({ fields }) =>
    Effect.sync(() => {
      const read = readNative(fields)
      if (Result.isFailure(read)) return
      const { genkey, request } = read.success
      const { genkey: key = "", prompt = "", ...rest } = fields
      assert.deepStrictEqual<unknown>(genkey, key)
      assert.deepStrictEqual<unknown>(request, { _tag: "Native", prompt, fields: rest })
    })
  )

  it.effect.prop(
    "with a name, a text and numbers is taken",
    { prompt: Schema.String, number: Schema.Finite },
    (asked) =>
      Effect.sync(() => {
        const whole = !/\p{Surrogate}/u.test(asked.prompt)
        const { number, prompt } = asked
        const read = readNative({ prompt, genkey: "K", rep_pen: number, max_length: "80", temperature: number })
        assert.strictEqual(Result.isSuccess(read), whole)
      })
  )

  it("is not confused by names that objects have already", () => {
    const body = JSON.parse('{"prompt":"p","__proto__":{"genkey":1},"constructor":null}')
    const read = Result.getOrThrow(readNative(body))
    assert.strictEqual(read.genkey, "")
    assert.strictEqual(
      JSON.stringify(read.request),
      '{"_tag":"Native","prompt":"p","fields":{"__proto__":{"genkey":1},"constructor":null}}'
    )
  })
})
