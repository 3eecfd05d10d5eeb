import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Definition, readSettings, type Source } from "../../src/services/SettingsSource.ts"

const word = (variable: string, more: Partial<Definition<string>> = {}): Definition<string> => ({
  variable,
  olderNames: [],
  decode: (text) => (text === "bad" ? Result.fail("bad") : Result.succeed(text)),
  expected: "anything but bad",
  fallback: "default",
  secret: false,
  description: "",
  ...more
})

const from = (name: Source["name"], record: Record<string, string>): Source => ({
  name,
  provider: ConfigProvider.fromEnvRecord(record)
})

const definitions = { colour: word("COLOUR", { olderNames: ["COLOR", "TINT"] }), size: word("SIZE") }

describe("readSettings", () => {
  it.effect("takes each setting from the first source that has it, and says which", () =>
    Effect.gen(function* () {
      const { origins, values } = yield* readSettings(definitions, [
        from("flag", { COLOUR: "red" }),
        from("environment", { COLOUR: "green", SIZE: "small" }),
        from(".env file", { COLOUR: "blue", SIZE: "large" })
      ])
      assert.deepStrictEqual(values, { colour: "red", size: "small" })
      assert.deepStrictEqual([origins.colour.from, origins.size.from], ["flag", "environment"])
    })
  )

  it.effect("falls back to the default", () =>
    Effect.gen(function* () {
      const { origins, values } = yield* readSettings(definitions, [from("environment", {})])
      assert.deepStrictEqual(values, { colour: "default", size: "default" })
      assert.deepStrictEqual(origins.size, { variable: "SIZE", text: "default", from: "default" })
    })
  )

  it.effect("leaves an optional setting unset", () =>
    Effect.gen(function* () {
      const { values } = yield* readSettings({ size: word("SIZE", { fallback: undefined }) }, [])
      assert.isUndefined(values.size)
    })
  )

  it.effect("looks at older names after the present one, source by source", () =>
    Effect.gen(function* () {
      const colour = Effect.fnUntraced(function* (...sources: ReadonlyArray<Source>) {
        const { origins, values } = yield* readSettings(definitions, sources)
        return [values.colour, origins.colour.variable]
      })
      assert.deepStrictEqual(yield* colour(from("environment", { TINT: "blue" })), ["blue", "TINT"])
      assert.deepStrictEqual(yield* colour(from("environment", { TINT: "blue", COLOR: "red" })), ["red", "COLOR"])
      assert.deepStrictEqual(yield* colour(from("environment", { COLOUR: "green", COLOR: "red" })), ["green", "COLOUR"])
      const older = from("flag", { COLOR: "red" })
      assert.deepStrictEqual(yield* colour(older, from("environment", { COLOUR: "green" })), ["red", "COLOR"])
    })
  )

  it.effect("takes an empty or blank value for none", () =>
    Effect.gen(function* () {
      const sources = [from("flag", { COLOUR: "" }), from("environment", { COLOUR: "  ", COLOR: "red" })]
      assert.strictEqual((yield* readSettings(definitions, sources)).values.colour, "red")
    })
  )

  it.effect("takes white space around a value away", () =>
    Effect.gen(function* () {
      const { values } = yield* readSettings(definitions, [from(".env file", { SIZE: " small\r" })])
      assert.strictEqual(values.size, "small")
    })
  )

  it.effect("names the variable that was set, not the one that should have been", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(readSettings(definitions, [from("environment", { COLOR: "bad" })]))
      assert.strictEqual(error.message, 'COLOR is "bad": expected anything but bad.')
    })
  )

  it.effect("doesn't fall back to a later source when the first has a wrong value", () =>
    Effect.gen(function* () {
      const sources = [from("flag", { SIZE: "bad" }), from("environment", { SIZE: "small" })]
      assert.strictEqual((yield* Effect.flip(readSettings(definitions, sources))).variable, "SIZE")
    })
  )

  it.effect("says so when a source can't be read", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.make(() =>
        Effect.fail(new ConfigProvider.SourceError({ message: "disk on fire" }))
      )
      const error = yield* Effect.flip(readSettings(definitions, [{ name: ".env file", provider }]))
      assert.include(error.message, "COLOUR has a value that can't be used: expected a source of settings")
    })
  )
})
