import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scriptedBackend, streamOf } from "../support/ScriptedBackend.ts"
import { testService } from "../support/TestService.ts"
import { runInProcess } from "./InProcess.ts"
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
