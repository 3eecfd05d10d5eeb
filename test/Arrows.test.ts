import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** A file, what it imports, and whether it may. */
interface Probe {
  readonly file: string
  readonly imports: string
}

const forbidden: ReadonlyArray<Probe> = [
  { file: "src/domain/Probe.ts", imports: "../services/Auth.ts" },
  { file: "src/domain/Probe.ts", imports: "../http/EventRoute.ts" },
  { file: "src/domain/Probe.ts", imports: "../cli/Cli.ts" },
  { file: "src/domain/Probe.ts", imports: "../simulator/Simulator.ts" },
  { file: "src/domain/Probe.ts", imports: "node:fs" },
  { file: "src/domain/Probe.ts", imports: "effect/Clock" },
  { file: "src/domain/Probe.ts", imports: "effect/Config" },
  { file: "src/domain/Probe.ts", imports: "@effect/platform-node/NodeHttpServer" },
  { file: "src/services/Probe.ts", imports: "../http/EventRoute.ts" },
  { file: "src/services/Probe.ts", imports: "../cli/Cli.ts" },
  { file: "src/services/Probe.ts", imports: "../simulator/Simulator.ts" },
  { file: "src/services/backends/Probe.ts", imports: "../../http/EventRoute.ts" },
  { file: "src/http/Probe.ts", imports: "../cli/Cli.ts" },
  { file: "src/http/Probe.ts", imports: "../simulator/Simulator.ts" },
  { file: "src/cli/Probe.ts", imports: "../http/EventRoute.ts" },
  { file: "src/cli/Probe.ts", imports: "../simulator/Simulator.ts" },
  { file: "src/simulator/Probe.ts", imports: "../services/Settings.ts" },
  { file: "src/simulator/Probe.ts", imports: "../domain/Event.ts" },
  { file: "src/simulator/Probe.ts", imports: "../http/EventRoute.ts" },
  { file: "src/simulator/Probe.ts", imports: "../cli/Cli.ts" },
  ...["domain", "services", "http", "cli", "simulator"].flatMap((folder) =>
    ["../main.ts", "../Service.ts", "../index.ts"].map((imports) => ({ file: `src/${folder}/Probe.ts`, imports }))
  )
]

const allowed: ReadonlyArray<Probe> = [
  { file: "src/domain/Probe.ts", imports: "./Prompt.ts" },
  { file: "src/domain/Probe.ts", imports: "effect/Schema" },
  { file: "src/services/Probe.ts", imports: "../domain/Prompt.ts" },
  { file: "src/services/Probe.ts", imports: "node:crypto" },
  { file: "src/services/backends/Probe.ts", imports: "../../domain/Completion.ts" },
  { file: "src/http/Probe.ts", imports: "../services/Auth.ts" },
  { file: "src/http/Probe.ts", imports: "effect/http/HttpRouter" },
  { file: "src/cli/Probe.ts", imports: "../services/Settings.ts" },
  { file: "src/cli/Probe.ts", imports: "effect/http/HttpClient" },
  { file: "src/simulator/Probe.ts", imports: "node:http" },
  { file: "src/main.ts", imports: "./cli/Cli.ts" },
  { file: "src/main.ts", imports: "./http/HttpService.ts" },
  { file: "src/main.ts", imports: "./simulator/Simulator.ts" }
]

const importing = ({ imports }: Probe) => `import * as Probe from "${imports}"\n\nexport const probe = Probe\n`
const readingEnvironment = "export const path = process.env.PATH\n"

/** The project's lint rules over sources that don't exist in it. */
class Lint extends Context.Service<
  Lint,
  {
    /** The rules that a source breaks when it stands in this file, without their groups. */
    readonly brokenBy: (file: string, source: string) => Effect.Effect<ReadonlyArray<string>>
  }
>()("ai-ticket/test/Arrows/Lint") {
  static readonly layer = Layer.effect(
    Lint,
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-lint-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
      )
      copyFileSync(new URL("../biome.json", import.meta.url), join(directory, "biome.json"))
      return Lint.of({
        brokenBy: (file, source) =>
          Effect.sync(() => {
            mkdirSync(dirname(join(directory, file)), { recursive: true })
            writeFileSync(join(directory, file), source)
            // Nothing there is under version control.
            const args = ["lint", "--vcs-enabled=false", "--reporter=json", file]
            const { stderr, stdout } = spawnSync(process.execPath, [biome, ...args], {
              cwd: directory,
              encoding: "utf8"
            })
            assert.include(stdout, '"diagnostics"', `biome said nothing of ${file}: ${stderr}`)
            const report: Report = JSON.parse(stdout)
            assert.strictEqual(report.summary.changed + report.summary.unchanged, 1)
            return report.diagnostics.map(({ category }) => category.split("/").at(-1) ?? "")
          })
      })
    })
  )
}

const biome = fileURLToPath(new URL("../node_modules/@biomejs/biome/bin/biome", import.meta.url))

interface Report {
  readonly summary: { readonly changed: number; readonly unchanged: number }
  readonly diagnostics: ReadonlyArray<{ readonly category: string }>
}

describe("the import arrows", () => {
  layer(Lint.layer)((it) => {
    it.effect.each(forbidden)("$file must not import $imports", (probe) =>
      Effect.gen(function* () {
        const lint = yield* Lint
        assert.deepStrictEqual(yield* lint.brokenBy(probe.file, importing(probe)), ["noRestrictedImports"])
      })
    )

    it.effect.each(allowed)("$file may import $imports", (probe) =>
      Effect.gen(function* () {
        const lint = yield* Lint
        assert.deepStrictEqual(yield* lint.brokenBy(probe.file, importing(probe)), [])
      })
    )

    it.effect.each(["domain", "services", "http", "cli", "simulator"])("src/%s must not read process.env", (folder) =>
      Effect.gen(function* () {
        const lint = yield* Lint
        assert.deepStrictEqual(yield* lint.brokenBy(`src/${folder}/Probe.ts`, readingEnvironment), ["noProcessEnv"])
      })
    )

    it.effect("a script may read process.env", () =>
      Effect.gen(function* () {
        const lint = yield* Lint
        assert.deepStrictEqual(yield* lint.brokenBy("scripts/Probe.ts", readingEnvironment), [])
      })
    )
  })
})
