import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { compactJson } from "../../src/domain/CompactJson.ts"

describe("compactJson", () => {
  it.prop("undoes any indentation", { value: Schema.Json }, ({ value }) => {
    const compact = JSON.stringify(value)
    for (const indent of [2, "\t", " \t "])
      assert.strictEqual(compactJson(JSON.stringify(value, null, indent)), compact)
    assert.strictEqual(compactJson(compact), compact)
  })

  it.prop("leaves what stands in strings alone", { text: Schema.String }, ({ text }) => {
    const quoted = JSON.stringify(`${text} \\ " ${text}`)
    assert.strictEqual(compactJson(` [ ${quoted} , ${quoted} ] `), `[${quoted},${quoted}]`)
  })

  it("takes all four kinds of white space away", () => {
    assert.strictEqual(compactJson('\r\n{\t"a b" :\n[ 1 ,\r2 ]\n}\n'), '{"a b":[1,2]}')
  })

  it("isn't misled by escaped quotes and backslashes", () => {
    assert.strictEqual(compactJson('[ "\\" , " , "\\\\" , "x y" ]'), '["\\" , ","\\\\","x y"]')
  })

  it("keeps the digits of numbers that a double can't hold, and the way they are written", () => {
    assert.strictEqual(
      compactJson("[ 123456789012345678901234567890, 1.10, 1E+2, -0 ]"),
      "[123456789012345678901234567890,1.10,1E+2,-0]"
    )
  })
})
