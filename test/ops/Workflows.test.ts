import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { TextDocument } from "vscode-languageserver-textdocument"

const folder = new URL("../../.github/workflows/", import.meta.url)
const workflows = readdirSync(folder).map((name) => ({ name, text: readFileSync(new URL(name, folder), "utf8") }))

/** It imports JSON as only a bundler can. */
const bundle = await build({
  entryPoints: ["@actions/languageservice"],
  bundle: true,
  format: "esm",
  platform: "browser",
  write: false
})
const { validate }: typeof import("@actions/languageservice") = await import(
  `data:text/javascript;base64,${Buffer.from(bundle.outputFiles[0]?.contents ?? []).toString("base64")}`
)

/** What GitHub's own reader says of a workflow. It remembers what it has read by its name. */
const faults = async (name: string, text: string): Promise<ReadonlyArray<string>> => {
  const told = await validate(TextDocument.create(`file:///.github/workflows/${name}`, "yaml", 1, text))
  return told.map(({ message, range }) => `line ${range.start.line + 1}: ${message}`)
}

describe("the workflows", () => {
  for (const { name, text } of workflows)
    it(`${name} is one that GitHub reads`, async () => {
      assert.deepStrictEqual(await faults(name, text), [])
    })

  const spoiled: ReadonlyArray<readonly [what: string, from: string, to: string]> = [
    ["a job that isn't there", "needs: test", "needs: tests"],
    ["a step that isn't there", "steps.names.outputs.name", "steps.name.outputs.name"],
    ["a job's result that isn't there", "needs.image.outputs.digest", "needs.image.outputs.digests"],
    ["a name that means nothing", "github.token", "githb.token"],
    ["a right that there isn't", "contents: read", "content: read"],
    ["a key that there isn't", "runs-on:", "run-on:"],
    ["an expression without an end", "github.sha }}", "github.sha }"]
  ]
  for (const [index, [what, from, to]] of spoiled.entries())
    it(`have a reader that finds ${what}`, async () => {
      const { text } = workflows.find(({ name }) => name === "release.yml") ?? assert.fail()
      assert.include(text, from)
      assert.isNotEmpty(await faults(`spoiled-${index}.yml`, text.replace(from, to)))
    })
})
