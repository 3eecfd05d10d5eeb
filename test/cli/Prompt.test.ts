import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Call, scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"
import { runInProcess } from "./InProcess.ts"
import { Program, run, start } from "./Program.ts"
import { stranger } from "./Stranger.ts"

const setUp = Effect.fnUntraced(function* (settings: Record<string, string> = {}) {
  const backend = yield* scriptedBackend
  const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, ...settings })
  return { backend, server: ["--server-url", service.url] }
})

const hostile = "ok \u001b[31mred\u001b[0m\u0007 \u009b2J done"
const answering = (content: string) => ({ chat: [{ body: { choices: [{ message: { content } }] } }] })

describe("ai-ticket prompt", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("prints the completion and a new line on stdout, and nothing else", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        const result = yield* run(["prompt", "Summarise open tickets", ...server])
        assert.deepStrictEqual(result, { code: 0, stdout: "from chat\n", stderr: "" })
        assert.strictEqual(backend.calls[0]?.prompt, "Summarise open tickets")
      })
    )

    it.effect("sends every parameter, wherever the flags stand", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        const sampling = ["--temperature", "0.25", "--max-tokens", "7", "--top-p=0.5", "--top-k", "40", "--seed", "-1"]
        const others = ["--stop", "END", "--stop", "\n\n", "--model", "tiny"]
        const { code, stderr } = yield* run(["--accent", "amber", "prompt", ...sampling, "hi", ...others, ...server])
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        const body = backend.calls[0]?.body
        assert.deepInclude(body, { temperature: 0.25, max_tokens: 7, top_p: 0.5, top_k: 40, stop: ["END", "\n\n"] })
        assert.deepInclude(body, { model: "tiny" })
      })
    )

    it.effect("leaves the prompt alone: JSON in it is text, and so is what begins with a dash", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        const prompts = ['{"prompt":"inner"}', " - item ", "--help"]
        for (const prompt of prompts) {
          assert.strictEqual((yield* run(["prompt", ...server, "--", prompt])).code, 0)
        }
        assert.deepStrictEqual(
          backend.calls.map((call) => call.prompt),
          prompts
        )
      })
    )

    it.effect("- reads standard input, in UTF-8, as it is", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        const text = `${"Grüße, 你好 👋\n".repeat(5000)}end`
        const { code } = yield* run(["prompt", "-", ...server], { stdin: text })
        assert.strictEqual(code, 0)
        assert.strictEqual(backend.calls[0]?.prompt, text)
      })
    )

    it.effect("--json prints the service's answer, whole", () =>
      Effect.gen(function* () {
        const { server } = yield* setUp()
        const { code, stdout } = yield* run(["prompt", "hi", "--json", ...server])
        assert.strictEqual(code, 0)
        assert.deepInclude(JSON.parse(stdout), {
          completion: "from chat",
          backend: "koboldcpp",
          usage: { prompt_tokens: 3, completion_tokens: 2 }
        })
      })
    )

    it.effect("is let in with --token, else AI_TICKET_TOKEN, and the flag wins", () =>
      Effect.gen(function* () {
        const { server } = yield* setUp({ AI_TICKET_AUTH_TOKEN: "good" })
        const ask = (args: ReadonlyArray<string>, env: Record<string, string>) =>
          run(["prompt", "hi", ...server, ...args], { env })
        assert.strictEqual((yield* ask(["--token", "good"], {})).code, 0)
        assert.strictEqual((yield* ask([], { AI_TICKET_TOKEN: "good" })).code, 0)
        assert.strictEqual((yield* ask(["--token", "good"], { AI_TICKET_TOKEN: "bad" })).code, 0)
        const refused = yield* ask([], { AI_TICKET_TOKEN: "very-bad" })
        assert.deepStrictEqual(refused, {
          code: 1,
          stdout: "",
          stderr: "ai-ticket: The token is not a valid one. (forbidden)\n"
        })
        const unknown = yield* ask([], {})
        assert.deepStrictEqual([unknown.code, unknown.stdout], [1, ""])
        assert.include(unknown.stderr, "(unauthorised)")
      })
    )

    it.effect("an error of the service: message, code and details on stderr, exit 1", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        const nothing = yield* run(["prompt", "", ...server])
        assert.deepStrictEqual([nothing.code, nothing.stdout], [1, ""])
        assert.include(nothing.stderr, "(prompt_extraction_failed)")
        backend.script({ chat: [{ status: 401, body: {} }] })
        const refused = yield* run(["prompt", "hi", ...server])
        assert.deepStrictEqual([refused.code, refused.stdout], [1, ""])
        assert.match(refused.stderr, /^ai-ticket: .*\(api_authentication_error\)\nDetails: .*401.*\n$/)
        const json = yield* run(["prompt", "hi", "--json", ...server])
        assert.strictEqual(json.code, 1)
        assert.deepInclude(JSON.parse(json.stdout), { error: "api_authentication_error", status_code: 502 })
      })
    )

    it.effect("--timeout goes to the service, whose answer tells that it is over", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        backend.script({ chat: [{ hang: true }] })
        const { code, stderr } = yield* run(["prompt", "hi", "--timeout", "0.3", ...server])
        assert.strictEqual(code, 1)
        assert.strictEqual(stderr.split("\n")[0], "ai-ticket: No answer within 0.3 seconds. (deadline_exceeded)")
        yield* eventually(() => backend.aborts.length === 1)
      })
    )

    it.effect("nobody there: exit 3", () =>
      Effect.gen(function* () {
        const { url } = yield* Effect.scoped(stranger(200, ""))
        const result = yield* run(["prompt", "hi", "--server-url", url])
        assert.deepStrictEqual(result, {
          code: 3,
          stdout: "",
          stderr: `ai-ticket: Could not reach ai-ticket at ${url}: connection refused.\n`
        })
      })
    )

    it.effect.each([
      { status: 502, body: "<html>Bad gateway</html>", told: "status 502 and is not one of ai-ticket's" },
      { status: 200, body: '{"text":"hello"}', told: "has no completion" }
    ])("somebody else there, answering $status: exit 1", ({ body, status, told }) =>
      Effect.gen(function* () {
        const { url } = yield* stranger(status, body)
        const { code, stderr, stdout } = yield* run(["prompt", "hi", "--server-url", url])
        assert.deepStrictEqual([code, stdout], [1, ""])
        assert.include(stderr, told)
      })
    )

    it.effect.each([
      { signal: "SIGINT", code: 130 },
      { signal: "SIGTERM", code: 143 }
    ] as const)("$signal: exits $code, and the service aborts the generation", ({ code, signal }) =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        backend.script({ chat: [{ hang: true }] })
        const asking = yield* start(["prompt", "hi", ...server])
        yield* eventually(() => backend.calls.length === 1)
        asking.child.kill(signal)
        assert.strictEqual(yield* asking.exited, code)
        assert.deepStrictEqual([asking.stdout(), asking.stderr()], ["", ""])
        yield* eventually(() => backend.aborts.length === 1)
        const [call] = backend.calls as [Call]
        assert.strictEqual(backend.aborts[0]?.genkey, call.body["genkey"])
      })
    )

    it.effect("on a terminal it says that it waits, and takes that back before it tells the answer", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        backend.script({ chat: [{ hang: true }] })
        const args = ["prompt", "hi", ...server]
        const signal = ({ stderr }: { readonly stderr: () => string }) =>
          Effect.as(
            eventually(() => stderr().includes("Waiting, ")),
            "SIGINT" as const
          )
        const left = yield* runInProcess(args, { terminal: true, signal })
        assert.deepStrictEqual([left.code, left.stdout], [130, ""])
        assert.match(left.stderr, /^(\rWaiting, \d+ s)+\r {12,}\r$/)
        const releasing = (output: { readonly stderr: () => string }) =>
          Effect.andThen(
            signal(output),
            Effect.suspend(() => {
              backend.release()
              return Effect.never
            })
          )
        const answered = yield* runInProcess(args, { terminal: true, signal: releasing })
        assert.strictEqual(answered.code, 0)
        assert.match(answered.stdout, /\n│ from chat\n/)
        assert.match(answered.stderr, /^(\rWaiting, \d+ s)+\r {12,}\r$/)
      })
    )

    it.effect("in a pipe the completion is as the model wrote it", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        backend.script(answering(hostile))
        assert.strictEqual((yield* run(["prompt", "hi", ...server])).stdout, `${hostile}\n`)
      })
    )

    it.effect("on a terminal it stands in a panel in the accent's colour, and can't drive the terminal", () =>
      Effect.gen(function* () {
        const { backend, server } = yield* setUp()
        backend.script(answering(hostile))
        const args = ["prompt", "hi", ...server, "--accent", "violet"]
        const coloured = yield* runInProcess(args, { terminal: true })
        assert.include(coloured.stdout, "╭─ \u001b[1m\u001b[35mCompletion\u001b[39m\u001b[22m ─")
        assert.include(coloured.stdout, "\n│ ok red  done\n╰─")
        const plain = yield* runInProcess(args, { terminal: true, env: { NO_COLOR: "1" } })
        assert.match(plain.stdout, /^╭─ Completion ─+\n│ ok red {2}done\n╰─+\n$/)
        const json = yield* runInProcess([...args, "--json"], { terminal: true })
        for (const character of ["\u0007", "\u001b", "\u009b"]) assert.notInclude(json.stdout, character)
      })
    )

    it.effect("neither can an error", () =>
      Effect.gen(function* () {
        const body = JSON.stringify({ error: "x", message: `no\u001b[2J\u009b1A`, status_code: 500, details: hostile })
        const { url } = yield* stranger(500, body)
        const { code, stderr } = yield* runInProcess(["prompt", "hi", "--server-url", url], { terminal: true })
        assert.strictEqual(code, 1)
        assert.strictEqual(stderr, "ai-ticket: no (x)\nDetails: ok red  done\n")
      })
    )
  })
})
