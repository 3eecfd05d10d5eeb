import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { testService } from "../support/TestService.ts"
import { runInProcess } from "./InProcess.ts"
import { stranger } from "./Stranger.ts"

const nobody = "http://127.0.0.1:9"

describe("ai-ticket health", () => {
  it.live("healthy and ready: exit 0, without a token", () =>
    Effect.gen(function* () {
      const backend = yield* scriptedBackend
      const { url } = yield* testService({ KOBOLDCPP_API_URL: backend.url, AI_TICKET_AUTH_TOKEN: "t" })
      const { code, stderr, stdout } = yield* runInProcess(["health", "--server-url", url])
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      assert.deepStrictEqual(stdout.split("\n"), [
        `server   ${url}`,
        "health   healthy",
        "ready    yes",
        "queue    0 waiting, 0 in work",
        "backend  koboldcpp: up, breaker closed, 0 waiting in it",
        ""
      ])
    })
  )

  it.live("asks on the port of its environment", () =>
    Effect.gen(function* () {
      const { stderr } = yield* runInProcess(["health"], { env: { PORT: "9" } })
      assert.include(stderr, "Could not reach ai-ticket at http://localhost:9: ")
    })
  )

  it.live("its backend is down: exit 1", () =>
    Effect.gen(function* () {
      const { url } = yield* testService({ KOBOLDCPP_API_URL: nobody })
      const plain = yield* runInProcess(["health", "--server-url", `${url}/`])
      assert.deepStrictEqual([plain.code, plain.stderr], [1, "ai-ticket: The service is not ready.\n"])
      assert.include(plain.stdout, "\nready    no\n")
      assert.include(plain.stdout, "\nbackend  koboldcpp: down")
      const json = yield* runInProcess(["health", "--json", "--server-url", url])
      assert.strictEqual(json.code, 1)
      assert.deepInclude(JSON.parse(json.stdout), { url, healthy: true, ready: false })
    })
  )

  it.live("nobody there: exit 3", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* runInProcess(["health", "--server-url", nobody])
      assert.deepStrictEqual({ code, stdout }, { code: 3, stdout: "" })
      assert.strictEqual(stderr, `ai-ticket: Could not reach ai-ticket at ${nobody}: connection refused.\n`)
    })
  )

  const proxyError = "<html>Bad gateway</html>"
  const healthy = JSON.stringify({ status: "healthy", shutdown_initiated: false })
  const bug = JSON.stringify({ error: "internal_error", message: "A bug.", status_code: 500, details: null })
  it.live.each([
    {
      status: 200,
      body: "<html>Welcome</html>",
      told: "not ai-ticket: its answer to GET /health is of another shape."
    },
    { status: 200, body: '{"status":"ok"}', told: "not ai-ticket: its answer to GET /health is of another shape." },
    { status: 200, body: healthy, told: "not ai-ticket: its answer to GET /ready is of another shape." },
    { status: 502, body: proxyError, told: "The answer has status 502 and is not one of ai-ticket's." },
    { status: 500, body: bug, told: "A bug. (internal_error)" }
  ])("somebody else there, or a bug, answering $status: exit 1, and no report", ({ body, status, told }) =>
    Effect.gen(function* () {
      const { url } = yield* stranger(status, body)
      const plain = yield* runInProcess(["health", "--server-url", url])
      assert.deepStrictEqual([plain.code, plain.stdout], [1, ""])
      const subject = told.startsWith("not ") ? `What listens at ${url} is ` : ""
      assert.strictEqual(plain.stderr, `ai-ticket: ${subject}${told}\n`)
      const json = yield* runInProcess(["health", "--json", "--server-url", url])
      assert.deepStrictEqual([json.code, json.stderr], [1, plain.stderr])
      assert.deepInclude(JSON.parse(json.stdout), { url, ready: false, readiness: null })
    })
  )

  it.live("one panel on a terminal", () =>
    Effect.gen(function* () {
      const { url } = yield* testService({ KOBOLDCPP_API_URL: nobody })
      const { stdout } = yield* runInProcess(["health", "--server-url", url], {
        terminal: true,
        env: { NO_COLOR: "1" }
      })
      assert.match(stdout, /^╭─ ai-ticket ─+\n(│ .+\n){5}╰─+\n$/)
    })
  )
})
