import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sendEvent } from "../support/Http.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"
import { runInProcess } from "./InProcess.ts"

const size = { columns: 80, rows: 40 }
const leaves = "\u001b[?25h\u001b[?1049l"

/** What the screen shows after the last frame. */
const lastFrame = (stdout: string) => stdout.split("\u001b[H").at(-1) ?? ""

describe("ai-ticket top", () => {
  it.live("shows how the service stands and what changes, until q; the terminal is then as it was", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const { code, stderr, stdout } = yield* runInProcess(["top", "--server-url", url], {
        ...{ terminal: true, size },
        env: { NO_COLOR: "1" },
        person: ({ press, stdout }) =>
          Effect.gen(function* () {
            yield* eventually(() => stdout().includes("takes work"))
            yield* sendEvent(url, { contents: "no" }, { headers: { "x-request-id": "the-bad-one" } })
            yield* eventually(() => lastFrame(stdout()).includes("missing_content_field  /event"))
            press("x")
            press("q")
          })
      })
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      assert.isTrue(stdout.startsWith("\u001b[?1049h\u001b[?25l"))
      assert.isTrue(stdout.endsWith(leaves))
      for (const part of [
        "─ Status ",
        "─ Requests ",
        "─ Latency ",
        "─ Backends ",
        "─ Errors ",
        "koboldcpp",
        "q leaves"
      ]) {
        assert.include(lastFrame(stdout), part)
      }
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is looked for.
      assert.notMatch(stdout, /\u001b\[[\d;]*m/)
    })
  )

  it.live("is left by Ctrl-C with 130 and by SIGTERM with 143, and gives the terminal back", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const left = (how: "key" | "SIGINT" | "SIGTERM") =>
        runInProcess(["top", "--server-url", url], {
          ...{ terminal: true, size },
          person: ({ press, signal, stdout }) =>
            Effect.gen(function* () {
              yield* eventually(() => stdout().includes("takes work"))
              if (how === "key") press("c", { ctrl: true })
              else signal(how)
              yield* eventually(() => stdout().endsWith(leaves))
            })
        })
      assert.strictEqual((yield* left("key")).code, 130)
      assert.strictEqual((yield* left("SIGINT")).code, 130)
      assert.strictEqual((yield* left("SIGTERM")).code, 143)
    })
  )

  it.live("is drawn anew when the terminal changes its size", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const { stdout } = yield* runInProcess(["top", "--server-url", url], {
        ...{ terminal: true, size },
        person: ({ press, resize, stdout }) =>
          Effect.gen(function* () {
            yield* eventually(() => stdout().includes("takes work"))
            resize({ columns: 30, rows: 10 })
            yield* eventually(() => !lastFrame(stdout()).includes("─"))
            press("q")
          })
      })
      assert.isAtMost(lastFrame(stdout).split("\n").length, 10)
    })
  )

  it.live("tells in lines where there is no terminal, and on a dumb one", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const line = /^\d{4}-\S+Z {2}\d\S*\/s \d+\/min {2}p50 \S+.* {2}queue 0\+0 {2}backends 1\/1 {2}service ok, .*\n/
      for (const options of [{}, { terminal: true, env: { TERM: "dumb" } }]) {
        const { code, stdout } = yield* runInProcess(["top", "--server-url", url], {
          ...options,
          signal: ({ stdout }) =>
            Effect.as(
              eventually(() => stdout().includes("\n")),
              "SIGINT" as const
            )
        })
        assert.strictEqual(code, 130)
        assert.match(stdout, line)
      }
    })
  )

  it.live("--json passes each summary on, a line each", () =>
    Effect.gen(function* () {
      const { url } = yield* startService()
      const { stdout } = yield* runInProcess(["top", "--json", "--server-url", url], {
        terminal: true,
        signal: ({ stdout }) =>
          Effect.as(
            eventually(() => stdout().includes("\n")),
            "SIGINT" as const
          )
      })
      const [first = ""] = stdout.split("\n")
      assert.strictEqual(JSON.parse(first).window_seconds, 360)
    })
  )

  it.live("--once tells how it stands and ends", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_AUTH_TOKEN: "secret" })
      const args = ["top", "--once", "--server-url", url, "--token", "secret"]
      const plain = yield* runInProcess(args)
      assert.deepStrictEqual({ code: plain.code, stderr: plain.stderr }, { code: 0, stderr: "" })
      assert.match(plain.stdout, /^Status\n {2}service {3}ok {8}takes work\n/)
      assert.notInclude(plain.stdout, "\u001b")
      const boxed = yield* runInProcess(args, { terminal: true, env: { NO_COLOR: "1" } })
      assert.match(boxed.stdout, /^╭─ Status ─+\n│ service {3}ok/)
      const json = yield* runInProcess([...args, "--json"])
      assert.strictEqual(JSON.parse(json.stdout).backends.length, 1)
    })
  )

  it.live("is told no, or finds nobody", () =>
    Effect.gen(function* () {
      const { url } = yield* startService({ AI_TICKET_AUTH_TOKEN: "secret" })
      for (const mode of [[], ["--once"]]) {
        const refused = yield* runInProcess(["top", ...mode, "--server-url", url])
        assert.strictEqual(refused.code, 1)
        assert.match(
          refused.stderr,
          /^ai-ticket: A token is needed: .*\(unauthorised\)\nA command takes its token from AI_TICKET_TOKEN, .*\n$/
        )
        const nobody = yield* runInProcess(["top", ...mode, "--server-url", "http://127.0.0.1:9"])
        assert.strictEqual(nobody.code, 3)
        assert.strictEqual(
          nobody.stderr,
          "ai-ticket: Could not reach ai-ticket at http://127.0.0.1:9: connection refused.\n"
        )
      }
    })
  )

  it.live("gives the terminal back before it tells what went wrong", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* runInProcess(["top", "--server-url", "http://127.0.0.1:9"], {
        ...{ terminal: true, size },
        person: () => Effect.never
      })
      assert.strictEqual(code, 3)
      assert.isTrue(stdout.endsWith(leaves))
      assert.include(stderr, "connection refused")
    })
  )
})
