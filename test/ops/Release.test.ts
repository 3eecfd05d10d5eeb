import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { parse } from "yaml"
import packageJson from "../../package.json" with { type: "json" }
import { changesOf } from "../../scripts/changelog.ts"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

interface Workflow {
  readonly permissions?: unknown
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly "timeout-minutes"?: number
        readonly needs?: string | ReadonlyArray<string>
        readonly steps: ReadonlyArray<{ readonly uses?: string; readonly with?: Readonly<Record<string, unknown>> }>
      }
    >
  >
}

const folder = ".github/workflows"
const workflows = readdirSync(new URL(`../../${folder}`, import.meta.url)).map((name): readonly [string, Workflow] => [
  name,
  parse(read(`${folder}/${name}`))
])

describe("a release", () => {
  it("can read the changes that wait for it", () => {
    const waiting = readdirSync(new URL("../../.changeset", import.meta.url)).filter(
      (name) => name.endsWith(".md") && name !== "README.md"
    )
    for (const name of waiting) {
      assert.match(read(`.changeset/${name}`), /^---\n"ai-ticket": (major|minor|patch)\n---\n\n\S/, name)
    }
  })

  it("has a part of the changelog, and a chart of its version", () => {
    assert.isNotEmpty(changesOf(packageJson.version, read("CHANGELOG.md")))
    const chart = parse(read("ops/helm/ai-ticket/Chart.yaml"))
    assert.deepStrictEqual([chart.version, chart.appVersion], [packageJson.version, packageJson.version])
  })

  it("tells of one version what its part of the changelog says", () => {
    const changelog = "# name\n\n## 1.1.0\n\n### Minor\n\n- New\n\n## 1.0.0\n\nOld\n"
    assert.strictEqual(changesOf("1.1.0", changelog), "### Minor\n\n- New")
    assert.strictEqual(changesOf("1.0.0", changelog), "Old")
    assert.isUndefined(changesOf("1.0", changelog))
  })

  it("is tested before anything is handed out, and drafted last", () => {
    const { jobs } = new Map(workflows).get("release.yml") ?? assert.fail()
    assert.deepStrictEqual(
      Object.entries(jobs).map(([name, { needs }]) => [name, needs]),
      [
        ["test", undefined],
        ["image", "test"],
        ["package", "test"],
        ["draft", ["image", "package"]]
      ]
    )
    const build = jobs["image"]?.steps.find(({ uses }) => uses?.startsWith("docker/build-push-action@"))
    assert.deepInclude(build?.with, {
      platforms: "linux/amd64,linux/arm64",
      provenance: "mode=max",
      sbom: true
    })
  })
})

describe.each(workflows)("%s", (_, { jobs, permissions }) => {
  it("runs foreign actions by digest, for a limited time and with no more rights than it says", () => {
    assert.isDefined(permissions)
    for (const [name, { steps, ...job }] of Object.entries(jobs)) {
      assert.isNumber(job["timeout-minutes"], name)
      for (const { uses } of steps) if (uses !== undefined) assert.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/)
    }
  })
})
