import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Program, run, start } from "./Program.ts"

const generate = (url: string, headers: Record<string, string> = {}) =>
  Effect.promise(() =>
    fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ prompt: "hi", max_tokens: 5 })
    })
  )

describe("ai-ticket simulate", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("says where it listens, goes wrong as told, asks for its password, and exits 0 on a signal", () =>
      Effect.gen(function* () {
        const flags = ["--port", "0", "--tokens-per-second", "0", "--password", "open", "--fault", "503,502"]
        const simulator = yield* start(["simulate", ...flags])
        const url = yield* simulator.url
        const headers = { authorization: "Bearer open" }
        const statuses = [yield* generate(url, headers), yield* generate(url, headers), yield* generate(url, headers)]
        assert.deepStrictEqual(
          statuses.map(({ status }) => status),
          [503, 502, 200]
        )
        assert.strictEqual((yield* generate(url)).status, 401)
        simulator.child.kill("SIGTERM")
        assert.strictEqual(yield* simulator.exited, 0)
        assert.strictEqual(simulator.stdout(), `Simulating KoboldCpp on ${url}\n`)
        assert.strictEqual(simulator.stderr(), "")
      })
    )

    it.effect.each([
      { args: ["--fault", "teapot"], told: /^ai-ticket: --fault: The fault "teapot" is not understood: .*\.\n$/ },
      { args: ["--queue", "1001"], told: /^ai-ticket: --queue: .*1000.*\n$/ },
      { args: ["--prompt-delay", "1.5"], told: /^ai-ticket: --prompt-delay: .*\n$/ },
      { args: ["--tokens-per-second=-1"], told: /^ai-ticket: --tokens-per-second: .*\n$/ },
      { args: ["--dialect", "1.0"], told: /--dialect: "1\.0"/ }
    ])("$args: a wrong flag, exit 2", ({ args, told }) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* run(["simulate", "--port", "0", ...args])
        assert.deepStrictEqual([code, stdout], [2, ""])
        assert.match(stderr, told)
      })
    )

    it.effect("a port in use: one sentence, exit 1", () =>
      Effect.gen(function* () {
        const { port } = new URL(yield* (yield* start(["simulate", "--port", "0"])).url)
        assert.deepStrictEqual(yield* run(["simulate", "--port", port]), {
          code: 1,
          stdout: "",
          stderr: `ai-ticket: Can't listen on 127.0.0.1, port ${port}: another program listens there.\n`
        })
      })
    )
  })
})
