import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ScriptedBackend, scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"
import { batchFiles } from "./BatchFiles.ts"
import { Program, run, start } from "./Program.ts"

const setUp = Effect.fnUntraced(function* (settings: Record<string, string>) {
  const backend = yield* scriptedBackend
  const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, AI_TICKET_SLOTS: "8", ...settings })
  return { backend, server: ["--server-url", service.url] }
})

const poisoned = (id: number) => id % 100 === 7

/** One in a hundred has no prompt. */
const events = (count: number) =>
  Array.from({ length: count }, (_, id) => ({ id, content: poisoned(id) ? null : `p${id}` }))

const linesIn = (text: string) => text.split("\n").length - 1

const allAborted = ({ aborts, calls }: ScriptedBackend, answered: number) =>
  eventually(() => new Set(aborts.map(({ genkey }) => genkey)).size === calls.length - answered)

describe("a batch that is stopped", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect(
      "by SIGKILL, again and again, has every event once in the end, and loses none that was written",
      () =>
        Effect.gen(function* () {
          const count = 1000
          const { server } = yield* setUp({})
          const { input, output, results, written } = yield* batchFiles(...events(count))
          const args = ["batch", input, "--output", output, "--resume", ...server]
          let before = ""
          for (const share of [0.2, 0.4, 0.6]) {
            const killed = yield* start(args)
            yield* eventually(() => killed.child.exitCode !== null || linesIn(written()) > share * count)
            killed.child.kill("SIGKILL")
            assert.strictEqual(yield* killed.exited, "SIGKILL")
            assert.isTrue(written().startsWith(before))
            before = written().slice(0, written().lastIndexOf("\n") + 1)
          }
          const { code, stderr } = yield* run(args)
          assert.strictEqual(code, 1)
          assert.match(stderr, /skipped \(\d+ had failed\)/)
          assert.isTrue(written().startsWith(before))
          const told = results().toSorted((one, other) => Number(one["id"]) - Number(other["id"]))
          assert.deepStrictEqual(
            told.map(({ error, id, index }) => [id, index, error !== undefined]),
            events(count).map(({ id }) => [id, id, poisoned(id)])
          )
        }),
      60_000
    )

    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143]
    ] as const) {
      it.effect(
        `by ${signal}: aborts what runs, begins nothing more, says what came of it, and exits with ${code}`,
        () =>
          Effect.gen(function* () {
            const { backend, server } = yield* setUp({ AI_TICKET_SLOTS: "3" })
            backend.script({ chat: [{}, {}, { hang: true }] })
            const { input, output, results } = yield* batchFiles(
              ...Array.from({ length: 50 }, (_, id) => ({ id, content: "p" }))
            )
            const running = yield* start(["batch", input, "--output", output, ...server])
            yield* eventually(() => backend.calls.length === 5 && results().length === 2)
            running.child.kill(signal)
            assert.strictEqual(yield* running.exited, code)
            yield* allAborted(backend, 2)
            assert.strictEqual(backend.calls.length, 5)
            assert.match(
              running.stderr(),
              /^2 events in [\d.]+ s: 2 ok, 0 failed, 0 skipped\. Tokens: 6 in, 4 out\.\n$/
            )
            backend.script({})
            const resumed = yield* run(["batch", input, "--output", output, "--resume", ...server])
            assert.strictEqual(resumed.code, 0)
            assert.include(resumed.stderr, "2 skipped.")
            assert.strictEqual(new Set(results().map(({ id }) => id)).size, 50)
          })
      )
    }

    it.effect("by whoever reads its results: it ends, and with 1", () =>
      Effect.gen(function* () {
        const { server } = yield* setUp({})
        const { input } = yield* batchFiles(...Array.from({ length: 2000 }, (_, id) => ({ id, content: "p" })))
        const running = yield* start(["batch", input, ...server])
        running.child.stdout?.once("data", () => running.child.stdout?.destroy())
        assert.strictEqual(yield* running.exited, 1)
        assert.include(running.stderr(), "can't be written to standard output")
      })
    )
  })
})
