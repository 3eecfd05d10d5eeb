import { globSync, readFileSync } from "node:fs"
import { dirname, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
const pages = globSync(["*.md", ".changeset/*.md", "{docs,examples,ops}/**/*.md"], { cwd: root })
const files = new Set(globSync("**/*", { cwd: root, exclude: ["node_modules", ".git", "dist"] }))

/** A page as it is read: without code, whose brackets are no links and whose hashes are no headings. */
const prose = (page: string): string => readFileSync(`${root}${page}`, "utf8").replace(/^ *(```+)[\s\S]*?^ *\1$/gm, "")

/** The anchors of a page's headings, as its readers' sites make them. */
const anchorsOf = (page: string): ReadonlySet<string> =>
  new Set(
    [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    )
  )

/** The links of a page that lead nowhere in the repository. */
const brokenLinks = (page: string, text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path = "", anchor] = target.split("#")
      const file = path === "" ? page : normalize(`${dirname(page)}/${path}`).replace(/\/$/, "")
      if (!files.has(file)) return true
      return anchor !== undefined && !(file.endsWith(".md") && anchorsOf(file).has(anchor))
    })

describe.each(pages)("%s", (page) => {
  it("links to what there is", () => {
    assert.deepStrictEqual(brokenLinks(page, prose(page)), [])
  })
})

describe("a broken link", () => {
  it.each(["docs/none.md", "#none", "docs/deploy.md#none", "LICENSE#1"])("%s is found", (target) => {
    assert.deepStrictEqual(brokenLinks("README.md", `[a](${target}) [b](docs/deploy.md#tokens) [c](https://x/y)`), [
      target
    ])
  })
})
