import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { startService } from "../../support/Running.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const example = "examples/openai-chat.ts"
const source = readFileSync(root + example, "utf8")

/** What the example writes, and its exit code. */
const run = (url: string) =>
  Effect.callback<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>((resume) => {
    const child = spawn(process.execPath, [example, `${url}/v1`], {
      cwd: root,
      env: {},
      stdio: ["ignore", "pipe", "pipe"]
    })
    const written = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        written[name] += text
      })
    }
    child.on("close", (code) => resume(Effect.succeed({ code, ...written })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe(example, () => {
  it("stands in the README, letter by letter", () => {
    const [, block] = readFileSync(`${root}README.md`, "utf8").split(/<!-- openai:(?:start|end) -->/)
    assert.strictEqual(block?.trim(), `\`\`\`ts\n${source}\`\`\``)
  })

  it.live(
    "prints the answer as it comes, and its key is a token",
    () =>
      Effect.gen(function* () {
        const [, token = "none"] = /apiKey: "([^"]+)"/.exec(source) ?? []
        const { backend, url } = yield* startService({ AI_TICKET_AUTH_TOKEN: token })
        assert.deepStrictEqual(yield* run(url), { code: 0, stdout: " from chat ", stderr: "" })
        assert.strictEqual(backend.calls[0]?.prompt, "Summarise open tickets")
        assert.strictEqual(backend.calls[0]?.body["stream"], true)
      }),
    20_000
  )

  it.live(
    "fails where the key is no token",
    () =>
      Effect.gen(function* () {
        const { url } = yield* startService({ AI_TICKET_AUTH_TOKEN: "another-one" })
        const { code, stderr, stdout } = yield* run(url)
        assert.deepStrictEqual([code, stdout], [1, ""])
        assert.include(stderr, "PermissionDeniedError: 403 The token is not a valid one.")
      }),
    20_000
  )
})
