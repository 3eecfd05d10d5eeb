import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  decodeSampling,
  defaultSampling,
  type ParameterName,
  type SamplingParameters
} from "../../src/domain/SamplingParameters.ts"

interface Row {
  readonly name: ParameterName
  readonly field: keyof SamplingParameters
  readonly range: string
  readonly good: ReadonlyArray<unknown>
  readonly bad: ReadonlyArray<unknown>
}

const letters = (count: number) => "x".repeat(count)
const many = (count: number) => Array.from({ length: count }, () => "x")

const rows: ReadonlyArray<Row> = [
  {
    name: "max_tokens",
    field: "maxTokens",
    range: "a whole number from 1 to 131072",
    good: [1, 131_072],
    bad: [0, 131_073, 1.5, -1, "1", [1], true]
  },
  {
    name: "temperature",
    field: "temperature",
    range: "a number from 0 to 2",
    good: [0, 0.3, 2],
    bad: [-0.01, 2.01, "1"]
  },
  { name: "top_p", field: "topP", range: "a number from 0 to 1", good: [0, 0.3, 1], bad: [-0.01, 1.01, "1", {}] },
  {
    name: "top_k",
    field: "topK",
    range: "a whole number from 0 (off) to 1000000",
    good: [0, 1_000_000],
    bad: [-1, 1_000_001, 0.5, "3"]
  },
  {
    name: "stop",
    field: "stop",
    range: "a string of 1 to 1000 characters, or a list of at most 64 of them",
    good: [[], ["a"], many(64), [letters(1000)]],
    bad: ["", letters(1001), many(65), [""], [letters(1001)], ["a", 1], 5, {}]
  },
  {
    name: "seed",
    field: "seed",
    range: "a whole number from -1 (random) to 4294967295",
    good: [-1, 0, 4_294_967_295],
    bad: [-2, 4_294_967_296, 0.5, "7"]
  },
  {
    name: "model",
    field: "model",
    range: "a string of 1 to 256 characters",
    good: ["m", letters(256)],
    bad: ["", letters(257), 5, ["m"]]
  }
]

const brief = (value: unknown) => (JSON.stringify(value) ?? String(value)).slice(0, 30)

describe("decodeSampling", () => {
  for (const { bad, field, good, name, range } of rows) {
    for (const value of good) {
      it(`${name} may be ${brief(value)}`, () => {
        assert.deepStrictEqual(Result.getOrThrow(decodeSampling([{ [name]: value }]))[field], value)
      })
    }
    for (const value of [...bad, null, Number.NaN, Number.POSITIVE_INFINITY, undefined]) {
      it(`${name} may not be ${brief(value)}, and the error names it and its range`, () => {
        const failure = Option.getOrThrow(Result.getFailure(decodeSampling([{ [name]: value }])))
        assert.strictEqual(failure._tag, "InvalidParameter")
        assert.strictEqual(failure.parameter, name)
        assert.strictEqual(failure.message, `${name} must be ${range}.`)
      })
    }
  }

  it("has defaults for three and leaves the rest to the backend", () => {
    assert.deepStrictEqual(Result.getOrThrow(decodeSampling([{}, {}])), { maxTokens: 150, temperature: 0.7, topP: 1 })
  })

  it("reads no parameter off a prototype", () => {
    assert.deepStrictEqual(Result.getOrThrow(decodeSampling([Object.create({ seed: 5 })])), defaultSampling)
  })

  it("makes a list of one stop sequence", () => {
    assert.deepStrictEqual(Result.getOrThrow(decodeSampling([{ stop: "END" }])).stop, ["END"])
  })

  it("lets the first place win, parameter by parameter", () => {
    const decoded = decodeSampling([{ seed: 1 }, { seed: 2, top_k: 3 }])
    assert.deepStrictEqual(Result.getOrThrow(decoded), { ...defaultSampling, seed: 1, topK: 3 })
  })

  it.prop("never lets a value through that is out of range", { value: Schema.Json }, ({ value }) => {
    const decoded = decodeSampling([{ max_tokens: value, temperature: value, top_p: value }])
    if (Result.isFailure(decoded)) return
    const { maxTokens, temperature, topP } = decoded.success
    assert.isTrue(Number.isInteger(maxTokens) && maxTokens >= 1 && maxTokens <= 131_072)
    assert.isTrue(temperature >= 0 && temperature <= 2 && topP >= 0 && topP <= 1)
  })
})
