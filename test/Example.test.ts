import { spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { build } from "esbuild"
import { type ScriptedBackend, scriptedBackend } from "./support/ScriptedBackend.ts"
import { eventually } from "./support/TestService.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const examples = ["on-event.ts", "batch.ts"] as const
type Example = (typeof examples)[number]

/** A project of somebody else's, which has the library installed as npm would install it, and the examples in it. */
class Project extends Context.Service<
  Project,
  {
    readonly start: (
      example: Example,
      backend: ScriptedBackend,
      args: ReadonlyArray<string>
    ) => ReturnType<typeof spawn>
  }
>()("ai-ticket/test/Example/Project") {
  static readonly layer = Layer.effect(
    Project,
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-example-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
      )
      const installed = join(directory, "node_modules")
      const library = join(installed, "ai-ticket")
      mkdirSync(library, { recursive: true })
      for (const name of ["effect", "@effect", "yaml"])
        symlinkSync(join(root, "node_modules", name), join(installed, name))
      copyFileSync(join(root, "package.json"), join(library, "package.json"))
      for (const example of examples) copyFileSync(join(root, "examples", example), join(directory, example))
      writeFileSync(join(directory, "package.json"), '{"type":"module"}')
      yield* Effect.promise(() =>
        build({
          absWorkingDir: root,
          entryPoints: ["src/index.ts"],
          outdir: join(library, "dist"),
          bundle: true,
          packages: "external",
          platform: "node",
          format: "esm",
          target: "node24"
        })
      )
      return Project.of({
        start: (example, backend, args) =>
          spawn(process.execPath, [example, ...args], {
            cwd: directory,
            env: { KOBOLDCPP_API_URL: backend.url },
            stdio: ["ignore", "pipe", "pipe"]
          })
      })
    })
  )
}

/** A running example, and how it ends. */
const start = Effect.fnUntraced(function* (example: Example, backend: ScriptedBackend, ...args: ReadonlyArray<string>) {
  const child = yield* Effect.acquireRelease(
    Project.use((project) => Effect.sync(() => project.start(example, backend, args))),
    (running) => Effect.sync(() => running.kill("SIGKILL"))
  )
  const written = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      written[name] += text
    })
  }
  const closed = once(child, "close").then(([code]) => ({ code: code as number | null, ...written }))
  return { child, ended: Effect.promise(() => closed) }
})

describe("the examples of the library", () => {
  it.each([
    { example: "on-event.ts", comment: "example" },
    { example: "batch.ts", comment: "batch-example" }
  ])("$example stands in the README, letter by letter", ({ comment, example }) => {
    const readme = readFileSync(join(root, "README.md"), "utf8")
    const [, block] = readme.split(new RegExp(`<!-- ${comment}:(?:start|end) -->`))
    assert.strictEqual(block?.trim(), `\`\`\`ts\n${readFileSync(join(root, "examples", example), "utf8")}\`\`\``)
  })

  layer(Project.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("on-event.ts asks the backend and prints the completion", () =>
      Effect.gen(function* () {
        const backend = yield* scriptedBackend
        const { ended } = yield* start("on-event.ts", backend, "Why is the printer out?")
        assert.deepStrictEqual(yield* ended, { code: 0, stdout: "from chat\n", stderr: "" })
        const [call] = backend.calls
        assert.strictEqual(call?.prompt, "Why is the printer out?")
        assert.strictEqual(call?.body["max_tokens"], 80)
      })
    )

    it.effect("on-event.ts tells a failure in one sentence, with exit code 1", () =>
      Effect.gen(function* () {
        const backend = yield* scriptedBackend
        backend.script({ chat: [{ status: 401 }] })
        const { ended } = yield* start("on-event.ts", backend)
        const stderr = "The backend refused ai-ticket's credentials.\n"
        assert.deepStrictEqual(yield* ended, { code: 1, stdout: "", stderr })
      })
    )

    it.effect("batch.ts prints the result of each event, failed ones too", () =>
      Effect.gen(function* () {
        const backend = yield* scriptedBackend
        const { ended } = yield* start("batch.ts", backend, "Why?", " ", "How?")
        const { code, stderr, stdout } = yield* ended
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        assert.sameMembers(stdout.trimEnd().split("\n"), [
          "0 Why?: from chat",
          "1   failed: The event's content holds no prompt. (prompt_extraction_failed)",
          "2 How?: from chat"
        ])
        assert.strictEqual(backend.calls.length, 2)
      })
    )

    it.effect("on-event.ts aborts the generation at Ctrl-C", () =>
      Effect.gen(function* () {
        const backend = yield* scriptedBackend
        backend.script({ chat: [{ hang: true }] })
        const { child, ended } = yield* start("on-event.ts", backend)
        yield* eventually(() => backend.calls.length === 1)
        child.kill("SIGINT")
        assert.strictEqual((yield* ended).code, 130)
        assert.deepStrictEqual(
          backend.aborts.map(({ genkey }) => genkey),
          backend.calls.map(({ body }) => body["genkey"])
        )
      })
    )
  })
})
