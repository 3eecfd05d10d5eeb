import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scriptedBackend, streamOf } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"
import { runInProcess } from "./InProcess.ts"
import { Program, run, start } from "./Program.ts"
import { stranger } from "./Stranger.ts"

const setUp = Effect.gen(function* () {
  const backend = yield* scriptedBackend
  const service = yield* testService({ KOBOLDCPP_API_URL: backend.url })
  const args = ["chat", "--server-url", service.url, "--system", "Be brief."]
  const messages = () => backend.calls.map(({ body }) => body["messages"])
  return { args, backend, messages }
})

const system = { role: "system", content: "Be brief." }
const user = (content: string) => ({ role: "user", content })
const assistant = (content: string) => ({ role: "assistant", content })

describe("ai-ticket chat, in a pipe", () => {
  it.live("answers a line a turn, and remembers what was said", () =>
    Effect.gen(function* () {
      const { args, backend, messages } = yield* setUp
      backend.script({ chat: [{ pieces: streamOf("chat", " one") }, { pieces: streamOf("chat", " two") }] })
      const ended = yield* runInProcess(args, { stdin: "first\n\nsecond\n" })
      assert.deepInclude(ended, { code: 0, stdout: "one\ntwo\n", stderr: "" })
      assert.deepStrictEqual(messages(), [
        [system, user("first")],
        [system, user("first"), assistant("one"), user("second")]
      ])
    })
  )

  it.live("says each line as it is: commands are for people, and white space is theirs who write it", () =>
    Effect.gen(function* () {
      const { args, messages } = yield* setUp
      const lines = ["/reset", "  indented\t", "/exit", "/nope"]
      yield* runInProcess(args, { stdin: `${lines.join("\n")}\n \n\n` })
      assert.deepStrictEqual(
        messages().map((all) => (all as ReadonlyArray<unknown>).at(-1)),
        lines.map(user)
      )
    })
  )

  it.live("ends with what the service said when it says no", () =>
    Effect.gen(function* () {
      const { args, backend } = yield* setUp
      backend.script({ chat: [{ status: 401, body: {} }] })
      const { code, stderr, stdout } = yield* runInProcess(args, { stdin: "first\nsecond\n" })
      assert.deepStrictEqual([code, stdout, backend.calls.length], [1, "", 1])
      assert.match(stderr, /^ai-ticket: The backend refused ai-ticket's credentials.*\(api_authentication_error\)\n$/)
    })
  )

  it.live("tells when it is worth trying again", () =>
    Effect.gen(function* () {
      const backend = yield* scriptedBackend
      const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, RATE_LIMIT_REQUESTS: "1" })
      const args = ["chat", "--server-url", service.url]
      assert.strictEqual((yield* runInProcess(args, { stdin: "first\n" })).code, 0)
      const { code, stderr } = yield* runInProcess(args, { stdin: "second\n" })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^ai-ticket: .*\(rate_limited\)\nWorth trying again in \d+ seconds?\.\n$/)
    })
  )

  it.live("tells what else listens there", () =>
    Effect.gen(function* () {
      const { url } = yield* stranger(502, "<html>Bad gateway</html>")
      const { code, stderr, stdout } = yield* runInProcess(["chat", "--server-url", url], { stdin: "first\n" })
      assert.deepStrictEqual([code, stdout], [1, ""])
      assert.strictEqual(stderr, "ai-ticket: The answer has status 502 and is not one of ai-ticket's.\n")
    })
  )

  it.live("takes a stream that breaks off for no answer", () =>
    Effect.gen(function* () {
      const { args, backend } = yield* setUp
      backend.script({ chat: [{ pieces: streamOf("chat", "one two").slice(0, 1), after: "reset" }] })
      const { code, stderr, stdout } = yield* runInProcess(args, { stdin: "first\n" })
      assert.deepStrictEqual([code, stdout], [1, "one\n"])
      assert.match(stderr, /^ai-ticket: The connection to the backend failed.*\(api_connection_error\)\n$/)
    })
  )
})

const [one, two] = streamOf("chat", "one two") as [string, string]

/** Makes a process take its pipes for a terminal, except stdout. */
const pretendingTerminal = [
  "--import",
  `data:text/javascript,for (const end of [process.stdin, process.stderr]) Object.defineProperty(end, "isTTY", { value: true })`
]

describe("ai-ticket chat, as a process", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    /** A conversation whose first answer has begun, and goes on as the backend is fed. */
    const begun = Effect.gen(function* () {
      const { args, backend } = yield* setUp
      backend.script({ chat: [{ pieces: [one], after: "hang" }] })
      const chatting = yield* start(args, { stdin: "first\nsecond\n" })
      yield* eventually(() => chatting.stdout() === "one")
      return { backend, chatting }
    })

    it.effect("prints each answer as it comes, and ends with its input", () =>
      Effect.gen(function* () {
        const { backend, chatting } = yield* begun
        backend.script({ chat: [{}] })
        backend.feed(two)
        yield* eventually(() => chatting.stdout() === "one two")
        backend.feed(streamOf("chat", "").join(""))
        assert.strictEqual(yield* chatting.exited, 0)
        assert.deepStrictEqual([chatting.stdout(), chatting.stderr()], ["one two\nfrom chat\n", ""])
      })
    )

    it.effect.each([
      { signal: "SIGINT", code: 130 },
      { signal: "SIGTERM", code: 143 }
    ] as const)("$signal: exit $code, the answer is aborted, and the next turn never asked for", ({ code, signal }) =>
      Effect.gen(function* () {
        const { backend, chatting } = yield* begun
        chatting.child.kill(signal)
        assert.strictEqual(yield* chatting.exited, code)
        assert.deepStrictEqual([chatting.stdout(), chatting.stderr()], ["one\n", ""])
        yield* eventually(() => backend.aborts.length === 1)
        assert.strictEqual(backend.aborts[0]?.genkey, backend.calls[0]?.body["genkey"])
        assert.strictEqual(backend.calls.length, 1)
      })
    )

    it.effect("a reader who leaves ends it", () =>
      Effect.gen(function* () {
        const { backend, chatting } = yield* begun
        chatting.child.stdout?.destroy()
        yield* eventually(() => {
          backend.feed(two)
          return backend.aborts.length === 1
        })
        assert.strictEqual(yield* chatting.exited, 1)
        assert.strictEqual(chatting.stderr(), "ai-ticket: The result can't be written to standard output.\n")
        assert.strictEqual(backend.calls.length, 1)
      })
    )

    it.effect("nobody there: exit 3", () =>
      Effect.gen(function* () {
        const { url } = yield* Effect.scoped(stranger(200, ""))
        const result = yield* run(["chat", "--server-url", url], { stdin: "first\nsecond\n" })
        const stderr = `ai-ticket: Could not reach ai-ticket at ${url}: connection refused.\n`
        assert.deepStrictEqual(result, { code: 3, stdout: "", stderr })
      })
    )

    it.effect("on a terminal SIGINT cuts an answer off, and the next one at the prompt ends it with 130", () =>
      Effect.gen(function* () {
        const { args, backend } = yield* setUp
        backend.script({ chat: [{ pieces: [one], after: "hang" }, {}] })
        const chatting = yield* start(args, { node: pretendingTerminal, stdin: "first\r", openStdin: true })
        yield* eventually(() => chatting.stdout() === "one")
        chatting.child.kill("SIGINT")
        yield* eventually(() => chatting.stderr().includes("Cut off: what has come is kept.\n"))
        yield* eventually(() => backend.aborts.length === 1)
        chatting.child.stdin?.write("second\r")
        yield* eventually(() => chatting.stdout() === "one\nfrom chat\n" && /second.*> /s.test(chatting.stderr()))
        chatting.child.kill("SIGINT")
        assert.strictEqual(yield* chatting.exited, 130)
        assert.deepStrictEqual([backend.calls.length, backend.aborts.length], [2, 1])
      })
    )
  })
})
