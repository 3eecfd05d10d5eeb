import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import packageJson from "../../package.json" with { type: "json" }
import { Program, run } from "./Program.ts"

const pretending = (version: string) => [
  "--import",
  `data:text/javascript,Object.defineProperty(process, "version", { value: "${version}" })`
]

describe("the entry", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect.each(["v14.0.0", "v20.20.2", "v23.11.1"])("tells Node %s that it is too old", (version) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run(["--version"], { node: pretending(version) }), {
          code: 1,
          stdout: "",
          stderr: `ai-ticket needs Node 24 or newer; this is ${version}.\n`
        })
      })
    )

    it.effect("goes on with a newer one, and tells the version of the package", () =>
      Effect.gen(function* () {
        const result = yield* run(["--version"], { node: pretending("v26.1.0") })
        assert.deepStrictEqual(result, { code: 0, stdout: `ai-ticket v${packageJson.version}\n`, stderr: "" })
      })
    )

    it.effect("has nothing in it that an old Node can't parse", () =>
      Effect.gen(function* () {
        const { directory } = yield* Program
        const text = readFileSync(join(directory, "dist", "ai-ticket.js"), "utf8")
        assert.match(text, /^#!\/usr\/bin\/env node\n/)
        assert.notMatch(text, /^\s*(import|export)\s*[\w{*"']|\bawait\b|\?\.|\?\?/m)
      })
    )

    it.effect("usage errors keep off stdout, as a process", () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run(["prompt", "hi", "--max-tokens", "0"])
        assert.deepStrictEqual([code, stdout], [2, ""])
        assert.include(stderr, "a whole number from 1 to 131072")
      })
    )
  })
})
