import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scriptedBackend, streamOf } from "../../support/ScriptedBackend.ts"
import { eventually, testService } from "../../support/TestService.ts"
import { type Person, runInProcess } from "../InProcess.ts"

const setUp = Effect.fnUntraced(function* (settings: Record<string, string> = {}) {
  const backend = yield* scriptedBackend
  const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, ...settings })
  const args = ["chat", "--server-url", service.url, "--system", "Be brief."]
  const terminal = { terminal: true, env: { NO_COLOR: "1", TERM: "dumb" } }
  return {
    backend,
    /** What the service was sent, turn by turn. */
    sent: () => backend.calls.map(({ body }) => body["messages"]),
    /** Somebody at the terminal of a conversation. */
    chat: (person: (person: Person) => Effect.Effect<void>) => runInProcess(args, { ...terminal, person }),
    /** Somebody who types all at once. */
    type: (keys: string, options: { readonly brokenStdout?: boolean; readonly stdoutTerminal?: boolean } = {}) =>
      runInProcess(args, { ...terminal, ...options, person: ({ type }) => Effect.sync(() => type(keys)) })
  }
})

const system = { role: "system", content: "Be brief." }
const user = (content: string) => ({ role: "user", content })
const assistant = (content: string) => ({ role: "assistant", content })

const [one, two, end, over] = streamOf("chat", "one two") as [string, string, string, string]
const ctrlC = "\u0003"
const ctrlD = "\u0004"

const ready = ({ raw }: Person) => eventually(raw)

describe("ai-ticket chat, on a terminal", () => {
  it.live("says what is typed, remembers it, and keeps everything but the answers off stdout", () =>
    Effect.gen(function* () {
      const { backend, sent, type } = yield* setUp()
      backend.script({ chat: [{ pieces: streamOf("chat", " one") }, { pieces: streamOf("chat", " two") }] })
      const { code, stderr, stdout } = yield* type(`first\r\r second \r${ctrlD}`)
      assert.deepStrictEqual([code, stdout], [0, "one\ntwo\n"])
      assert.deepStrictEqual(sent(), [
        [system, user("first")],
        [system, user("first"), assistant("one"), user("second")]
      ])
      assert.match(stderr, /^Talking with the model at http.*\. \/help tells what you can do\./)
      assert.include(stderr, "> ")
    })
  )

  it.live("says a paste of several lines as one turn", () =>
    Effect.gen(function* () {
      const { sent, type } = yield* setUp()
      yield* type("\u001b[200~/* one\r\n/exit\r*/\u001b[201~\r")
      assert.deepStrictEqual(sent(), [[system, user("/* one\n/exit\n*/")]])
    })
  )

  it.live.each([
    { how: "Ctrl-D", keys: ctrlD, code: 0 },
    { how: "/exit", keys: "/exit\r", code: 0 },
    { how: "Ctrl-C", keys: ctrlC, code: 130 },
    { how: "a terminal that goes away", keys: "", code: 0 }
  ])("$how at the prompt leaves with $code", ({ code, keys }) =>
    Effect.gen(function* () {
      const { backend, chat } = yield* setUp()
      const ended = yield* chat((person) =>
        Effect.gen(function* () {
          yield* ready(person)
          person.type(keys)
        })
      )
      assert.deepStrictEqual([ended.code, ended.stdout, backend.calls.length], [code, "", 0])
      assert.match(ended.stderr, /\n$/)
      assert.notInclude(ended.stderr, "ai-ticket:")
    })
  )

  it.live.each([
    { signal: "SIGINT", code: 130 },
    { signal: "SIGTERM", code: 143 }
  ] as const)("$signal at the prompt leaves with $code", ({ code, signal }) =>
    Effect.gen(function* () {
      const { chat } = yield* setUp()
      let raw = () => true
      const ended = yield* chat((person) =>
        Effect.gen(function* () {
          raw = person.raw
          yield* ready(person)
          person.signal(signal)
          return yield* Effect.never
        })
      )
      assert.deepStrictEqual([ended.code, raw()], [code, false])
      assert.isTrue(ended.stderr.endsWith("\n"), "what comes next begins a line")
    })
  )

  it.live("a word behind a slash that is no command is told, and not said", () =>
    Effect.gen(function* () {
      const { backend, type } = yield* setUp()
      const { code, stderr } = yield* type("/rest\r/help\r")
      assert.deepStrictEqual([code, backend.calls.length], [0, 0])
      assert.include(stderr, "There is no /rest: see /help.")
      assert.match(stderr, /\n\/save FILE +writes the conversation/)
    })
  )

  it.live("/reset forgets what was said, and /system tells the model something else", () =>
    Effect.gen(function* () {
      const { sent, type } = yield* setUp()
      const { stderr } = yield* type(
        'first\r/reset\rsecond\r/system\r/system Be kind.\rthird\r/system ""\r/system\r/reset\rfourth\r'
      )
      const answer = assistant("from chat")
      const kind = { role: "system", content: "Be kind." }
      assert.deepStrictEqual(sent(), [
        [system, user("first")],
        [system, user("second")],
        [kind, user("second"), answer, user("third")],
        [user("fourth")]
      ])
      assert.include(stderr, "The model is told: Be brief.\n")
      assert.include(stderr, "The model is told nothing beforehand.\n")
    })
  )
})

describe("Ctrl-C during an answer", () => {
  it.live("aborts it at the backend, keeps what has come, marked as a part, and goes on", () =>
    Effect.gen(function* () {
      const { backend, chat, sent } = yield* setUp()
      backend.script({ chat: [{ pieces: [one], after: "hang" }, {}] })
      const ended = yield* chat((person) =>
        Effect.gen(function* () {
          person.type("first\r")
          yield* eventually(() => person.stdout() === "one")
          assert.isFalse(person.raw(), "Ctrl-C is a signal now")
          person.signal("SIGINT")
          yield* eventually(() => person.raw() && backend.aborts.length === 1)
          person.type("second\r")
        })
      )
      assert.deepStrictEqual([ended.code, ended.stdout], [0, "one\nfrom chat\n"])
      assert.strictEqual(backend.aborts[0]?.genkey, backend.calls[0]?.body["genkey"])
      assert.deepStrictEqual(sent()[1], [system, user("first"), assistant("one…"), user("second")])
      assert.include(ended.stderr, "Cut off: what has come is kept.\n")
    })
  )

  it.live("before its first token takes back what was said", () =>
    Effect.gen(function* () {
      const { backend, chat, sent } = yield* setUp()
      backend.script({ chat: [{ pieces: [], after: "hang" }, {}] })
      const ended = yield* chat((person) =>
        Effect.gen(function* () {
          person.type("first\r")
          yield* eventually(() => backend.calls.length === 1)
          person.signal("SIGINT")
          yield* eventually(() => person.raw() && backend.aborts.length === 1)
          person.type("second\r")
        })
      )
      assert.deepStrictEqual([ended.code, ended.stdout], [0, "from chat\n"])
      assert.deepStrictEqual(sent()[1], [system, user("second")])
      assert.include(ended.stderr, "Cancelled: this was not said.\n")
    })
  )

  it.live("cuts off every answer anew, and none that is whole", () =>
    Effect.gen(function* () {
      const { backend, chat, sent } = yield* setUp()
      backend.script({
        chat: [
          { pieces: [one], after: "hang" },
          { pieces: [one], after: "hang" },
          { pieces: [one, two, end, over] },
          {}
        ]
      })
      yield* chat((person) =>
        Effect.gen(function* () {
          for (const printed of ["one", "one\none"]) {
            person.type("more\r")
            yield* eventually(() => person.stdout() === printed)
            person.signal("SIGINT")
            yield* ready(person)
          }
          person.type("more\rlast\r")
          yield* eventually(() => person.stdout().endsWith("from chat\n"))
        })
      )
      const cut = assistant("one…")
      assert.deepStrictEqual(sent()[3], [
        system,
        ...[user("more"), cut, user("more"), cut, user("more"), assistant("one two")],
        user("last")
      ])
    })
  )

  it.live("SIGTERM ends it all, and aborts it, too", () =>
    Effect.gen(function* () {
      const { backend, chat } = yield* setUp()
      backend.script({ chat: [{ pieces: [one], after: "hang" }] })
      const ended = yield* chat((person) =>
        Effect.gen(function* () {
          person.type("first\r")
          yield* eventually(() => person.stdout() === "one")
          person.signal("SIGTERM")
          return yield* Effect.never
        })
      )
      assert.deepStrictEqual([ended.code, ended.stdout], [143, "one\n"])
      yield* eventually(() => backend.aborts.length === 1)
    })
  )
})

describe("a turn that fails", () => {
  it.live.each([
    { how: "before its first token", step: { status: 401, body: {} }, printed: "", code: "api_authentication_error" },
    {
      how: "on its way",
      step: { pieces: [one], after: "reset" as const },
      printed: "one\n",
      code: "api_connection_error"
    }
  ])("$how is told, was never said, and ends nothing", ({ code, printed, step }) =>
    Effect.gen(function* () {
      const { backend, sent, type } = yield* setUp()
      backend.script({ chat: [step, {}] })
      const ended = yield* type(`first\rsecond\r${ctrlD}`)
      assert.deepStrictEqual([ended.code, ended.stdout], [0, `${printed}from chat\n`])
      assert.match(ended.stderr, new RegExp(`ai-ticket: .*\\(${code}\\)\\n`))
      assert.deepStrictEqual(sent()[1], [system, user("second")])
    })
  )
})

describe("stdout", () => {
  it.live("that takes nothing more ends it", () =>
    Effect.gen(function* () {
      const { backend, type } = yield* setUp()
      const { code, stderr } = yield* type("first\rsecond\r", { brokenStdout: true })
      assert.deepStrictEqual([code, backend.calls.length], [1, 1])
      assert.match(stderr, /\nai-ticket: The result can't be written to standard output\.\n$/)
    })
  )

  it.live("may be a file, which gets the answers as they are; on a terminal they can't drive it", () =>
    Effect.gen(function* () {
      const { backend, type } = yield* setUp()
      backend.script({ chat: [{ pieces: streamOf("chat", "ok \u0007done") }] })
      assert.strictEqual((yield* type("first\r", { stdoutTerminal: false })).stdout, "ok \u0007done\n")
      assert.strictEqual((yield* type("first\r")).stdout, "ok done\n")
    })
  )
})

describe("/save", () => {
  const folder = Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-chat-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )

  it.live("writes what the service would be sent, for nobody else to read", () =>
    Effect.gen(function* () {
      const { type } = yield* setUp()
      const path = join(yield* folder, "a talk.json")
      const { stderr } = yield* type(`first\r/save ${path}\r`)
      assert.include(stderr, `Saved to "${path}".\n`)
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")), {
        messages: [system, user("first"), assistant("from chat")]
      })
      assert.strictEqual(statSync(path).mode & 0o077, 0)
    })
  )

  it.live("leaves a file that is there as it is, and tells what it can't write", () =>
    Effect.gen(function* () {
      const { type } = yield* setUp()
      const path = join(yield* folder, "talk.json")
      writeFileSync(path, "mine")
      const { code, stderr } = yield* type(`/save ${path}\r/save ${path}/x\r/save\r`)
      assert.deepStrictEqual([code, readFileSync(path, "utf8")], [0, "mine"])
      assert.include(stderr, `"${path}" is there already, and stays as it is.\n`)
      assert.match(stderr, /talk\.json\/x" can't be written: \w+\.\n/)
      assert.include(stderr, "Say where to: /save FILE.\n")
    })
  )
})
