import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { bundledLicences, notAllowed, packagesOf } from "../../scripts/licences.ts"

const lockfile = JSON.parse(readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8"))

describe("licences", () => {
  it("are ones that may be handed out, or used for tools", () => {
    const packages = packagesOf(lockfile)
    assert.isAbove(packages.length, 100)
    assert.deepStrictEqual(notAllowed(packages), [])
  })

  it("of others are refused", () => {
    const packages = packagesOf({
      packages: {
        "": {},
        "node_modules/a": { version: "1.0.0", license: "GPL-3.0-only" },
        "node_modules/b": { version: "1.0.0", license: "MPL-2.0" },
        "node_modules/b/node_modules/@c/d": { version: "1.0.0", license: "MPL-2.0", dev: true },
        "node_modules/e": { version: "1.0.0" }
      }
    })
    assert.deepStrictEqual(
      notAllowed(packages).map(({ name }) => name),
      ["a", "b", "e"]
    )
  })

  it("go out with the bundle, each once", () => {
    const text = bundledLicences([
      "src/main.ts",
      "node_modules/effect/dist/Effect.js",
      "node_modules/effect/dist/Layer.js",
      "node_modules/@effect/platform-node/dist/NodeRuntime.js"
    ])
    const named = [...text.matchAll(/^(\S+) [\d.]+ \((\S+)\)$/gm)].map(([, name, licence]) => [name, licence])
    assert.deepStrictEqual(named, [
      ["@effect/platform-node", "MIT"],
      ["effect", "MIT"]
    ])
    assert.strictEqual(text.split("Permission is hereby granted").length, 3)
  })
})
