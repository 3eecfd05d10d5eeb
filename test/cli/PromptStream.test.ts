import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { eventuallyLive } from "../support/Eventually.ts"
import { forked } from "../support/Forked.ts"
import { scriptedBackend, streamOf } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"
import { runInProcess } from "./InProcess.ts"
import { Program, run, start } from "./Program.ts"
import { stranger, strangeStream } from "./Stranger.ts"

/** A service whose backend streams what it is fed. */
const setUp = Effect.fnUntraced(function* (settings: Record<string, string> = {}) {
  const backend = yield* scriptedBackend
  backend.script({ chat: [{ pieces: [], after: "hang" }] })
  const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, ...settings })
  return { backend, ask: ["prompt", "hi", "--stream", "--server-url", service.url] }
})

const token = (text: string) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, finish_reason: null, delta: { content: text } }] })}\n\n`
const [three, tickets, end, over] = streamOf("chat", "Three tickets") as [string, string, string, string]
const broken = { pieces: [three], after: "reset" as const }

describe("ai-ticket prompt --stream", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("prints each token as it comes, and a line break at the end", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        const asking = yield* start([...ask, "--temperature", "0.25"])
        yield* eventually(() => backend.calls.length === 1)
        assert.deepInclude(backend.calls[0]?.body, { stream: true, temperature: 0.25 })
        backend.feed(three)
        yield* eventually(() => asking.stdout() === "Three")
        backend.feed(tickets)
        yield* eventually(() => asking.stdout() === "Three tickets")
        backend.feed(end + over)
        assert.strictEqual(yield* asking.exited, 0)
        assert.deepStrictEqual([asking.stdout(), asking.stderr()], ["Three tickets\n", ""])
        assert.strictEqual(backend.aborts.length, 0)
      })
    )

    it.effect("prints the same text as without it, white space around it and all", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        const pieces = ["\n ", " one", " \n", "\n\u001b[31mtwo ", " ", "\n"].map(token)
        const content = "\n  one \n\n\u001b[31mtwo  \n"
        backend.script({
          chat: [{ pieces: [...pieces, end, over] }, { body: { choices: [{ message: { content } }] } }]
        })
        const streamed = yield* run(ask)
        assert.deepStrictEqual(streamed, { code: 0, stdout: "one \n\n\u001b[31mtwo\n", stderr: "" })
        assert.deepStrictEqual(yield* run(ask.filter((word) => word !== "--stream")), streamed)
      })
    )

    it.effect("--json prints each event as its JSON, one a line", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        backend.script({ chat: [{ pieces: [three, tickets, end, over] }, broken, { status: 401, body: {} }] })
        const whole = yield* run([...ask, "--json"])
        const first = '{"delta":"Three","done":false}\n'
        assert.deepStrictEqual(whole, {
          code: 0,
          stdout: `${first}{"delta":" tickets","done":false}
{"delta":"","done":true,"completion_tokens":2,"finish_reason":"stop"}
`,
          stderr: ""
        })
        const failed = yield* run([...ask, "--json"])
        assert.strictEqual(failed.code, 1)
        assert.match(failed.stdout, /^\{"delta":"Three","done":false\}\n\{"error":"api_connection_error",.*\}\n$/)
        const refused = yield* run([...ask, "--json"])
        assert.strictEqual(refused.code, 1)
        assert.deepInclude(JSON.parse(refused.stdout), { error: "api_authentication_error", status_code: 502 })
      })
    )

    it.effect("an error before the first token is told as without it", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        backend.script({ chat: [{ status: 401, body: {} }] })
        const refused = yield* run(ask)
        assert.deepStrictEqual([refused.code, refused.stdout], [1, ""])
        assert.match(refused.stderr, /^ai-ticket: .*\(api_authentication_error\)\nDetails: .*401.*\n$/)
        assert.deepStrictEqual(yield* run(ask.filter((word) => word !== "--stream")), refused)
      })
    )

    it.effect("an error after it: what has come stays on stdout, the message goes to stderr, exit 1", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        backend.script({ chat: [broken] })
        const { code, stderr, stdout } = yield* run(ask)
        assert.deepStrictEqual([code, stdout], [1, "Three\n"])
        assert.match(stderr, /^ai-ticket: .*\. \(api_connection_error\)\n$/)
      })
    )

    it.effect("--timeout goes to the service, which ends the stream when it is over", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        backend.script({ chat: [{ pieces: [three], after: "hang" }] })
        assert.deepStrictEqual(yield* run([...ask, "--timeout", "0.3"]), {
          code: 1,
          stdout: "Three\n",
          stderr: "ai-ticket: No answer within 0.3 seconds. (deadline_exceeded)\n"
        })
        yield* eventually(() => backend.aborts.length === 1)
      })
    )

    it.effect("Ctrl-C: exit 130, and the generation is aborted at the backend", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        const asking = yield* start(ask)
        yield* eventually(() => backend.calls.length === 1)
        backend.feed(three)
        yield* eventually(() => asking.stdout() === "Three")
        asking.child.kill("SIGINT")
        assert.strictEqual(yield* asking.exited, 130)
        assert.deepStrictEqual([asking.stdout(), asking.stderr()], ["Three\n", ""])
        yield* eventually(() => backend.aborts.length === 1)
        assert.strictEqual(backend.aborts[0]?.genkey, backend.calls[0]?.body["genkey"])
      })
    )

    it.effect("a reader who leaves ends it, too", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        const asking = yield* start(ask)
        yield* eventually(() => backend.calls.length === 1)
        backend.feed(three)
        yield* eventually(() => asking.stdout() === "Three")
        asking.child.stdout?.destroy()
        yield* eventually(() => {
          backend.feed(tickets)
          return backend.aborts.length === 1
        })
        assert.strictEqual(yield* asking.exited, 1)
        assert.strictEqual(asking.stderr(), "ai-ticket: The result can't be written to standard output.\n")
      })
    )

    it.effect("nobody there: exit 3", () =>
      Effect.gen(function* () {
        const { url } = yield* Effect.scoped(stranger(200, ""))
        const result = yield* run(["prompt", "hi", "--stream", "--server-url", url])
        const stderr = `ai-ticket: Could not reach ai-ticket at ${url}: connection refused.\n`
        assert.deepStrictEqual(result, { code: 3, stdout: "", stderr })
      })
    )

    it.effect("on a terminal the text stands below its title, and can't drive the terminal", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        const hostile = ["ok", " \u001b", "[31mred", "\u001b[0m\u0007", " done"]
        const pieces = hostile.map(token)
        backend.script({ chat: [{ pieces: [...pieces, end, over] }] })
        const coloured = yield* runInProcess([...ask, "--accent", "amber"], { terminal: true })
        assert.include(coloured.stdout, "── \u001b[1m\u001b[33mCompletion\u001b[39m\u001b[22m ─")
        const plain = yield* runInProcess(ask, { terminal: true, env: { NO_COLOR: "1" } })
        assert.match(plain.stdout, /^── Completion ─+\nok \[31mred done\n$/)
        assert.deepStrictEqual([plain.code, plain.stderr], [0, ""])
        const json = yield* runInProcess([...ask, "--json"], { terminal: true })
        assert.notInclude(json.stdout, "─")
      })
    )

    it.effect("on a terminal it says that it waits until the first token is there", () =>
      Effect.gen(function* () {
        const { ask, backend } = yield* setUp()
        const interrupted = runInProcess(ask, {
          terminal: true,
          env: { NO_COLOR: "1" },
          signal: ({ stderr, stdout }) =>
            Effect.gen(function* () {
              yield* eventually(() => stderr().includes("Waiting, "))
              assert.strictEqual(stdout(), "")
              backend.feed(three)
              yield* eventually(() => stdout().endsWith("Three"))
              assert.match(stderr(), /^(\rWaiting, \d+ s)+\r {12,}\r$/)
              return "SIGINT" as const
            })
        })
        const { code, stderr, stdout } = yield* interrupted
        assert.strictEqual(code, 130)
        assert.match(stdout, /^── Completion ─+\nThree\n$/)
        assert.match(stderr, /^(\rWaiting, \d+ s)+\r {12,}\r$/)
      })
    )
  })
})

describe("ai-ticket prompt --stream, somebody else there", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    const delta = (text: string) => `data: {"delta":"${text}","done":false}\n\n`
    const last = 'data: {"delta":"","done":true,"completion_tokens":1,"finish_reason":"stop"}\n\n'
    const ask = (url: string) => runInProcess(["prompt", "hi", "--stream", "--server-url", url])

    it.effect("an answer that breaks before its last event is none: exit 3", () =>
      Effect.gen(function* () {
        for (const after of ["end", "reset"] as const) {
          const { url } = yield* strangeStream([delta("Three")], after)
          const stderr = `ai-ticket: The answer at ${url} broke off.\n`
          assert.deepStrictEqual(yield* ask(url), { code: 3, stdout: "Three\n", stderr })
        }
      })
    )

    it.effect("passes over comments and what else may stand in a stream, and puts broken characters together", () =>
      Effect.gen(function* () {
        const bytes = new TextEncoder().encode(`: hello\n\nretry: 100\n\n${delta("Grüße 👋")}: still there\n\n${last}`)
        const { url } = yield* strangeStream([...bytes].map((byte) => Uint8Array.of(byte)))
        assert.deepStrictEqual(yield* ask(url), { code: 0, stdout: "Grüße 👋\n", stderr: "" })
      })
    )

    it.effect("the last event ends it, even if the connection stays open or breaks", () =>
      Effect.gen(function* () {
        for (const after of ["hang", "reset"] as const) {
          const { url } = yield* strangeStream([delta("Three"), last, delta("more")], after)
          assert.deepStrictEqual(yield* ask(url), { code: 0, stdout: "Three\n", stderr: "" })
        }
      })
    )

    it.effect.each(["[DONE]", '{"token":"x"}', '{"delta":1,"done":false}'])("an event %s: exit 1", (data) =>
      Effect.gen(function* () {
        const { url } = yield* strangeStream([delta("Three"), `data: ${data}\n\n`], "hang")
        const { code, stderr, stdout } = yield* ask(url)
        assert.deepStrictEqual([code, stdout], [1, "Three\n"])
        assert.include(stderr, "is not ai-ticket: its answer has an event of another shape.")
      })
    )

    it.effect.each([
      { status: 502, body: "<html>Bad gateway</html>", told: "status 502 and is not one of ai-ticket's" },
      { status: 200, body: '{"completion":"hello"}', told: "its answer is not a stream" }
    ])("an answer $status that isn't a stream: exit 1", ({ body, status, told }) =>
      Effect.gen(function* () {
        const { url } = yield* stranger(status, body)
        const { code, stderr, stdout } = yield* ask(url)
        assert.deepStrictEqual([code, stdout], [1, ""])
        assert.include(stderr, told)
      })
    )

    it.effect("a stream that never ends is not read for ever, however it is written", () =>
      Effect.gen(function* () {
        const mebibyte = "x".repeat(1024 * 1024)
        let written = 0
        function* endless(begin: string, piece: string) {
          for (yield begin; ; written += 1) yield piece
        }
        for (const body of [endless('data: {"delta":"', mebibyte), endless("", delta(mebibyte))]) {
          written = 0
          const { url } = yield* strangeStream(body)
          const { code, stderr } = yield* ask(url)
          assert.strictEqual(code, 3)
          assert.strictEqual(stderr, `ai-ticket: The answer at ${url} is too large to be one of ai-ticket's.\n`)
          assert.isBelow(written, 64)
        }
      })
    )
  })
})

describe("ai-ticket prompt --stream, whose service keeps still", () => {
  const three = 'data: {"delta":"Three","done":false}\n\n'

  it.effect.each([
    { when: "before the first token", pieces: [], came: "" },
    { when: "after it", pieces: [three], came: "Three\n" }
  ])("$when: is given up five seconds after its own time limit, exit 3", ({ came, pieces }) =>
    Effect.gen(function* () {
      const { connections, url } = yield* strangeStream(pieces, "hang")
      let output = () => ""
      const asking = yield* forked(
        runInProcess(["prompt", "hi", "--stream", "--timeout", "1.5", "--server-url", url], {
          signal: ({ stdout }) => {
            output = stdout
            return Effect.never
          }
        })
      )
      yield* eventuallyLive(() => connections() === 1 && output() === came.trim())
      yield* TestClock.adjust(6499)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(asking), {
        code: 3,
        stdout: came,
        stderr: `ai-ticket: No whole answer from ai-ticket at ${url} within 6.5 seconds.\n`
      })
      yield* eventuallyLive(() => connections() === 0)
    })
  )
})
