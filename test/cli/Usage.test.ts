import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCodes } from "../../src/cli/ExitCode.ts"
import { runInProcess } from "./InProcess.ts"

const escapeCharacter = "\u001b"

describe("a wrong command line", () => {
  it.effect.each([
    { args: ["nope"], told: 'Unknown subcommand "nope"' },
    { args: ["promt", "hi"], told: "prompt" },
    { args: ["prompt"], told: "Missing required argument: text" },
    { args: ["prompt", "two", "words"], told: 'Unexpected positional argument: "words"' },
    { args: ["prompt", "hi", "--nope"], told: "--nope" },
    { args: ["prompt", "hi", "--temperature", "2.1"], told: "a number from 0 to 2" },
    { args: ["prompt", "hi", "--temperature", "warm"], told: "a number from 0 to 2" },
    { args: ["prompt", "hi", "--max-tokens", "1.5"], told: "a whole number from 1 to 131072" },
    { args: ["prompt", "hi", "--top-p=-1"], told: "a number from 0 to 1" },
    { args: ["prompt", "hi", "--timeout", "0"], told: "a number of seconds" },
    { args: ["prompt", "hi", "--stop", ""], told: "a text of 1 to 1000 characters" },
    { args: ["prompt", "hi", "--server-url", "localhost:5000"], told: "an http or https URL" },
    { args: ["prompt", "hi", "--server-url", "ftp://host"], told: "an http or https URL" },
    { args: ["chat", "hi"], told: 'Unexpected positional argument: "hi"' },
    { args: ["chat", "--stream"], told: "--stream" },
    { args: ["chat", "--temperature", "2.1"], told: "a number from 0 to 2" },
    { args: ["chat", "--server-url", "localhost:5000"], told: "an http or https URL" },
    { args: ["health", "--token", "t"], told: "--token" },
    { args: ["--accent", "pink", "health"], told: '"cyan" | "violet" | "green" | "amber" | "red"' },
    { args: ["serve", "--auth-token", "t"], told: "--auth-token" },
    { args: ["simulate", "--port", "x"], told: "a whole number from 0 to 65535" }
  ])("$args: exit 2, told on stderr, nothing on stdout", ({ args, told }) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* runInProcess(args)
      assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" })
      assert.include(stderr, told)
      assert.match(stderr, /^ai-ticket: .*\n(.*\n)*See ai-ticket.* --help\.\n$/)
    })
  )

  it.effect("never shows a token that can't be one", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* runInProcess(["prompt", "hi"], { env: { AI_TICKET_TOKEN: "pass word" } })
      assert.strictEqual(code, 2)
      assert.include(stderr, "printable characters without spaces")
      assert.notInclude(stderr, "pass word")
    })
  )

  it.effect("without any subcommand: the help, on stderr", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* runInProcess([])
      assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" })
      assert.include(stderr, "SUBCOMMANDS")
    })
  )
})

describe("help that was asked for", () => {
  it.effect.each(["", "prompt", "chat", "batch", "health", "serve", "simulate", "config"])(
    "%s --help: stdout, exit 0",
    (command) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* runInProcess([command, "--help"].filter((word) => word !== ""))
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        assert.include(stdout, "USAGE")
        assert.include(stdout, "--accent")
        assert.notInclude(stdout, escapeCharacter)
      })
  )

  it.effect.each(["bash", "zsh", "fish", "powershell"])("completions for %s name commands and flags", (shell) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* runInProcess(["--completions", shell])
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      for (const word of ["prompt", "chat", "batch", "health", "serve", "simulate", "config", "max-tokens"])
        assert.include(stdout, word)
    })
  )

  it.effect("on a terminal has colours, and none with NO_COLOR", () =>
    Effect.gen(function* () {
      assert.include((yield* runInProcess(["--help"], { terminal: true })).stdout, escapeCharacter)
      const { stdout } = yield* runInProcess(["--help"], { terminal: true, env: { NO_COLOR: "1" } })
      assert.notInclude(stdout, escapeCharacter)
    })
  )
})

describe("the exit codes", () => {
  it("are distinct, and the ones that scripts know", () => {
    const codes = Object.values(exitCodes).map(({ code }) => code)
    assert.deepStrictEqual(codes, [0, 1, 2, 3, 130, 143])
  })
})
