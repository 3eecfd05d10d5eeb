import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import { displayWidth } from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { Program, run } from "./Program.ts"

const secrets = { AI_TICKET_AUTH_TOKEN: "first-token,second-token", AI_TICKET_KOBOLDCPP_API_KEY: "backend-key" }

interface Row {
  readonly variable: string
  readonly value: string | null
  readonly from: string
}

/** The settings as they are printed with `--json`, by variable. */
const settings = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: Record<string, string> = {}) {
  const { code, stderr, stdout } = yield* run(["config", "--json", ...args], { env })
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
  const rows: ReadonlyArray<Row> = JSON.parse(stdout)
  return (variable: string) => {
    const row = rows.find((candidate) => candidate.variable === variable)
    return [row?.value, row?.from]
  }
})

const writeFile = (name: string, text: string) =>
  Program.use(({ directory }) => Effect.sync(() => writeFileSync(join(directory, name), text)))

describe("ai-ticket config", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("a line for each setting: variable, value, origin", () =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run(["config", "--port", "6000"], { env: { LOG_LEVEL: "debug" } })
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        const lines = stdout.split("\n").map((line) => line.split(/ {2,}/))
        assert.deepInclude(lines, ["PORT", "6000", "(flag)"])
        assert.deepInclude(lines, ["LOG_LEVEL", "debug", "(environment)"])
        assert.deepInclude(lines, ["TRUST_PROXY_COUNT", "0", "(default)"])
        assert.deepInclude(lines, ["LOG_FORMAT", "(unset)", "(default)"])
        assert.notInclude(stdout, "\u001b")
      })
    )

    it.effect("its columns stand below each other, whatever the values", () =>
      Effect.gen(function* () {
        const { stdout } = yield* run(["config"], { env: { KOBOLDCPP_API_URL: "http://例え.テスト/api" } })
        const lines = stdout.trimEnd().split("\n")
        const columns = lines.map((line) => displayWidth(line.slice(0, line.lastIndexOf("("))))
        assert.strictEqual(new Set(columns).size, 1)
      })
    )

    it.effect("flags beat the environment, which beats a .env file, which beats the default", () =>
      Effect.gen(function* () {
        yield* writeFile(".env", "PORT=7001\nAI_TICKET_SLOTS=7\nAI_TICKET_QUEUE_LIMIT='9'\n# PORT=1\n")
        const of = yield* settings(["--port", "5001"], { PORT: "6001", AI_TICKET_SLOTS: "6" })
        assert.deepStrictEqual(of("PORT"), ["5001", "flag"])
        assert.deepStrictEqual(of("AI_TICKET_SLOTS"), ["6", "environment"])
        assert.deepStrictEqual(of("AI_TICKET_QUEUE_LIMIT"), ["9", ".env file"])
        assert.deepStrictEqual(of("RATE_LIMIT_REQUESTS"), ["120", "default"])
        yield* writeFile(".env", "")
      })
    )

    it.effect("a secret is never shown, wherever it comes from", () =>
      Effect.gen(function* () {
        const path = "secrets.env"
        yield* writeFile(path, "AI_TICKET_KOBOLDCPP_API_KEY=key-of-the-file\n")
        const env = { AI_TICKET_AUTH_TOKEN: secrets.AI_TICKET_AUTH_TOKEN }
        for (const args of [["config"], ["config", "--json"]]) {
          const { stdout } = yield* run([...args, "--settings-file", path], { env })
          assert.match(stdout, /\(set\)/)
          assert.notMatch(stdout, /first-token|second-token|key-of-the-file/)
        }
      })
    )

    const tokenFiles = {
      "two tokens": { text: "# ours\r\ns3cret-1\n\ns3cret-2\n", note: "2 tokens" },
      "one token": { text: "s3cret-1", note: "1 token" },
      "no token": { text: "# s3cret\n\n", note: "it holds no token" },
      "a line that is no token": { text: "s3cret-1\n# ours\n  s3cret 2\n", note: "line 3 is no token" },
      "no such file": { text: undefined, note: "there is no such file" }
    }
    for (const [name, { note, text }] of Object.entries(tokenFiles)) {
      it.effect(`looks into the token file: ${name}`, () =>
        Effect.gen(function* () {
          const { directory } = yield* Program
          const path = "tokens"
          if (text === undefined) rmSync(join(directory, path), { force: true })
          else yield* writeFile(path, text)
          const good = text !== undefined && /^\d/.test(note)
          for (const json of [[], ["--json"]]) {
            const { code, stderr, stdout } = yield* run(["config", "--token-file", path, ...json])
            assert.strictEqual(code, good ? 0 : 2)
            if (good) assert.strictEqual(stderr, "")
            else assert.match(stderr, new RegExp(`^ai-ticket: --token-file: .* is "tokens": .*, but ${note}\\.\\n$`))
            assert.notInclude(stdout + stderr, "s3cret")
            if (json.length === 0) assert.include(stdout, `  (flag): ${note}\n`)
            else {
              const row = { variable: "AI_TICKET_AUTH_TOKEN_FILE", value: path, from: "flag", note }
              assert.deepInclude(JSON.parse(stdout), row)
            }
          }
        })
      )
    }

    it.effect("an older name of a variable is told", () =>
      Effect.gen(function* () {
        const of = yield* settings([], { WERKZEUG_LOG_LEVEL: "error" })
        assert.deepStrictEqual(of("ACCESS_LOG_LEVEL"), ["error", "environment, as WERKZEUG_LOG_LEVEL"])
      })
    )

    it.effect("--threads are the requests in flight of each worker, wherever their number comes from", () =>
      Effect.gen(function* () {
        const slots = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: Record<string, string> = {}) {
          return (yield* settings(["--threads", "3", ...args], env))("AI_TICKET_SLOTS")
        })
        assert.deepStrictEqual(yield* slots([]), ["3", "flag"])
        assert.deepStrictEqual(yield* slots(["--workers", "4"]), ["12", "flag"])
        assert.deepStrictEqual(yield* slots([], { AI_TICKET_WORKERS: "2", AI_TICKET_SLOTS: "5" }), ["6", "flag"])
        const both = yield* run(["config", "--threads", "3", "--slots", "3"])
        assert.deepStrictEqual(both, {
          code: 2,
          stdout: "",
          stderr: "ai-ticket: --threads and --slots say the same in two ways: give one of them.\n"
        })
      })
    )

    it.effect("a file that is named must be there, and one that is there must be readable", () =>
      Effect.gen(function* () {
        const missing = yield* run(["config", "--settings-file", "nowhere.env"])
        assert.deepStrictEqual(missing, {
          code: 2,
          stdout: "",
          stderr: 'ai-ticket: The file "nowhere.env" can\'t be read: NotFound.\n'
        })
        const { directory } = yield* Program
        mkdirSync(join(directory, "folder.env"))
        const unreadable = yield* run(["serve", "--settings-file", "folder.env"])
        assert.deepStrictEqual([unreadable.code, unreadable.stdout], [2, ""])
        assert.match(unreadable.stderr, /^ai-ticket: The file "folder\.env" can't be read: \w+\.\n$/)
      })
    )
  })
})
