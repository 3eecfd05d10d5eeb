import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { configurationPage } from "../../scripts/configuration.ts"
import { flagNames } from "../../src/cli/SettingFlags.ts"
import { definitions } from "../../src/services/Settings.ts"

describe("docs/configuration.md", () => {
  it("is what `npm run docs` makes of the settings", () => {
    assert.strictEqual(
      readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8"),
      configurationPage()
    )
  })

  it("tells of each setting all that there is to know", () => {
    const page = configurationPage()
    for (const { description, expected, variable } of Object.values(definitions)) {
      const [, section = ""] = page.split(`\n## ${variable}\n`)
      assert.include(section, description)
      assert.include(section, `What it may be: ${expected}\n`)
    }
    for (const flag of Object.values(flagNames)) assert.include(page, `\`--${flag}\``)
  })
})
