import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { exitCodes } from "../src/cli/ExitCode.ts"
import { flagNames } from "../src/cli/SettingFlags.ts"
import { errorCatalogue } from "../src/domain/ErrorCatalogue.ts"
import { defaultSampling, samplingParameters } from "../src/domain/SamplingParameters.ts"
import { definitions } from "../src/services/Settings.ts"

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8")

/** The rows of the table between two comments, each as its cells, without the backticks around a whole cell. */
const tableBetween = (name: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [, section] = readme.split(new RegExp(`<!-- ${name}:(?:start|end) -->`))
  if (section === undefined)
    throw new Error(`README.md has no table between the comments ${name}:start and ${name}:end`)
  const rows = section.split("\n").filter((line) => line.startsWith("|"))
  return rows.slice(2).map((row) =>
    row
      .slice(1, row.trimEnd().lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim().replace(/^`([^`]*)`$/, "$1"))
  )
}

describe("README.md", () => {
  it("tells every error, its status and when it comes", () => {
    assert.deepStrictEqual(
      tableBetween("errors"),
      Object.entries(errorCatalogue).map(([code, { status, when }]) => [code, String(status), when])
    )
  })

  it("tells every exit code and what it means", () => {
    assert.deepStrictEqual(
      tableBetween("exit-codes"),
      Object.values(exitCodes).map(({ code, when }) => [String(code), when])
    )
  })

  it("tells every sampling parameter, its default and what it may be", () => {
    const defaults = new Map(
      Object.entries(defaultSampling).map(([name, value]) => [
        name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        String(value)
      ])
    )
    assert.deepStrictEqual(
      tableBetween("parameters"),
      Object.entries(samplingParameters).map(([name, { expected }]) => [name, defaults.get(name) ?? "unset", expected])
    )
    for (const name of defaults.keys()) assert.property(samplingParameters, name)
  })

  it("tells every setting, its default and what it is for", () => {
    assert.deepStrictEqual(
      tableBetween("settings"),
      Object.values(definitions).map(({ description, fallback, variable }) => [
        variable,
        fallback ?? "unset",
        description
      ])
    )
  })

  it("names every flag that gives a setting", () => {
    const [, told = ""] = /^Flags of `serve` and `config`((?:.|\n)*?)\n\n/m.exec(readme) ?? []
    for (const flag of Object.values(flagNames)) assert.include(told, `\`--${flag}\``)
  })
})
