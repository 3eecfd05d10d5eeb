import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { until } from "../support/Http.ts"
import { sendEvent } from "../support/LeavingClient.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, jsonOf, postEvent } from "../support/TestService.ts"
import { Program, type Running, type RunOptions, run, start } from "./Program.ts"

/** The service as a process of its own, on a free port, with a scripted backend. */
const serve = Effect.fnUntraced(function* (args: ReadonlyArray<string> = [], options?: RunOptions) {
  const backend = yield* scriptedBackend
  const service = yield* start(["serve", "--port", "0", "--koboldcpp-url", backend.url, ...args], options)
  return { backend, service, url: yield* service.url }
})

const statusOf = (url: string) => Effect.promise(() => fetch(`${url}/health`).then(({ status }) => status))

/** The lines of its log that have come whole. */
const logOf = (service: Running): ReadonlyArray<Record<string, unknown>> =>
  service
    .stdout()
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))

describe("ai-ticket serve", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("answers events with the backend's words, and logs to stdout, a JSON object a line", () =>
      Effect.gen(function* () {
        const { service, url } = yield* serve()
        const response = yield* postEvent(url, { content: "hi" })
        assert.strictEqual((yield* jsonOf(response))["completion"], "from chat")
        yield* eventually(() => service.stdout().includes("/event"))
        assert.isTrue(logOf(service).every((line) => line["level"] === "INFO"))
        assert.strictEqual(service.stderr(), "")
      })
    )

    it.effect.each(["SIGTERM", "SIGINT"] as const)("%s: what is in hand ends, then it exits 0", (signal) =>
      Effect.gen(function* () {
        const { backend, service, url } = yield* serve()
        backend.script({ chat: [{ hang: true }] })
        const client = yield* sendEvent(url, { content: "slow" })
        yield* eventually(() => backend.calls.length === 1)
        service.child.kill(signal)
        yield* eventually(() => service.stdout().includes("Draining: 1 request in hand"))
        backend.release()
        assert.strictEqual(yield* service.exited, 0)
        assert.strictEqual(client.status(), 200)
        assert.strictEqual(service.stderr(), "")
      })
    )

    it.effect.each([
      { second: "SIGTERM", code: 143 },
      { second: "SIGINT", code: 130 }
    ] as const)("a second signal, $second, ends it at once with $code", ({ code, second }) =>
      Effect.gen(function* () {
        const { backend, service, url } = yield* serve()
        backend.script({ chat: [{ hang: true }] })
        yield* sendEvent(url, { content: "slow" })
        yield* eventually(() => backend.calls.length === 1)
        service.child.kill("SIGTERM")
        yield* eventually(() => service.stdout().includes("Draining"))
        service.child.kill(second)
        assert.strictEqual(yield* service.exited, code)
      })
    )

    it.effect("a port in use: one sentence, exit 1", () =>
      Effect.gen(function* () {
        const { url } = yield* serve()
        const { port } = new URL(url)
        assert.deepStrictEqual(yield* run(["serve", "--port", port]), {
          code: 1,
          stdout: "",
          stderr: `ai-ticket: Can't listen on 127.0.0.1, port ${port}: another program listens there.\n`
        })
      })
    )

    it.effect("a wrong setting: one sentence, exit 2", () =>
      Effect.gen(function* () {
        const wrong = yield* run(["serve"], { env: { PORT: "http" } })
        assert.deepStrictEqual(wrong, {
          code: 2,
          stdout: "",
          stderr: 'ai-ticket: PORT is "http": expected a whole number from 0 to 65535.\n'
        })
        const tokens = yield* run(["serve", "--port", "0", "--token-file", "nowhere"])
        assert.deepStrictEqual([tokens.code, tokens.stdout], [2, ""])
        assert.match(
          tokens.stderr,
          /^ai-ticket: --token-file: AI_TICKET_AUTH_TOKEN_FILE is "nowhere": expected .*\.\n$/
        )
      })
    )

    it.effect("reads a .env file in its directory", () =>
      Effect.gen(function* () {
        const { directory } = yield* Program
        writeFileSync(join(directory, ".env"), 'AI_TICKET_AUTH_TOKEN="from-the-file"\n')
        const { url } = yield* serve()
        writeFileSync(join(directory, ".env"), "")
        assert.strictEqual((yield* postEvent(url, { content: "hi" })).status, 401)
        const headers = { authorization: "Bearer from-the-file" }
        assert.strictEqual((yield* postEvent(url, { content: "hi" }, { headers })).status, 200)
      })
    )

    it.effect("goes on when nobody reads its log any more", () =>
      Effect.gen(function* () {
        const { service, url } = yield* serve()
        service.child.stdout?.destroy()
        service.child.stderr?.destroy()
        for (const _ of [1, 2, 3]) assert.strictEqual((yield* postEvent(url, { content: "hi" })).status, 200)
        service.child.kill("SIGTERM")
        assert.strictEqual(yield* service.exited, 0)
      })
    )

    /** A service whose log is there to be read and isn't, after it has logged so many megabytes. */
    const unread = Effect.fnUntraced(function* (megabytes: number) {
      const { service, url } = yield* serve([], { env: { AI_TICKET_LOG_CONTENT: "true" } })
      service.child.stdout?.pause()
      const prompt = "x".repeat(1_000_000)
      const asked = Effect.repeat(postEvent(url, { content: { prompt } }), { times: megabytes - 1 })
      assert.strictEqual((yield* asked).status, 200)
      return { service, url }
    })

    it.effect("keeps no more of its log than eight megabytes for a reader who doesn't read, and no cut lines", () =>
      Effect.gen(function* () {
        const { service, url } = yield* unread(30)
        service.child.stdout?.resume()
        // The log goes on once it is read again.
        yield* until(postEvent(url, { content: "late" }), () => service.stdout().includes('"prompt":"late"'))
        const kept = logOf(service).filter(({ prompt }) => typeof prompt === "string" && prompt !== "late")
        assert.isAtLeast(kept.length, 8)
        assert.isBelow(kept.length, 20)
      })
    )

    it.effect("SIGTERM ends it all the same, though what it logged is not read", () =>
      Effect.gen(function* () {
        const { service } = yield* unread(5)
        service.child.kill("SIGTERM")
        yield* eventually(() => service.child.exitCode !== null || service.child.signalCode !== null)
        assert.strictEqual(service.child.exitCode, 0)
      })
    )

    it.effect("an exception that nobody caught: one line in the log, exit 1", () =>
      Effect.gen(function* () {
        const explosive = 'process.once("SIGUSR2", () => { Promise.reject(new Error("boom")) })'
        const { service, url } = yield* serve([], { node: ["--import", `data:text/javascript,${explosive}`] })
        assert.strictEqual(yield* statusOf(url), 200)
        service.child.kill("SIGUSR2")
        assert.strictEqual(yield* service.exited, 1)
        const last = logOf(service).at(-1)
        assert.deepInclude(last, { level: "CRITICAL", message: "Ended by an uncaught exception" })
        assert.match(String(last?.["cause"]), /^Error\n\s+at /)
        assert.strictEqual(service.stderr(), "")
      })
    )

    it.effect("says why it can't listen on an address that isn't its own", () =>
      Effect.gen(function* () {
        const { code, stderr } = yield* run(["serve", "--port", "0", "--host", "192.0.2.1"])
        assert.strictEqual(code, 1)
        assert.match(stderr, /^ai-ticket: Can't listen on 192\.0\.2\.1.*: this machine has no such address\.\n$/)
      })
    )
  })
})
