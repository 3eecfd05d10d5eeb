import { chmodSync, lstatSync, readFileSync, statSync, symlinkSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { bodyFor } from "../../src/domain/Failure.ts"
import { type BatchFiles, batchFiles } from "./BatchFiles.ts"
import { runInProcess } from "./InProcess.ts"
import { type ServiceDouble, serviceDouble } from "./ServiceDouble.ts"

const events = (count: number) => Array.from({ length: count }, (_, id) => ({ id, content: "p" }))
const ok = (index: number, id: unknown = index) => `${JSON.stringify({ index, id, completion: "before" })}\n`
const failed = (index: number, id: unknown = index) =>
  `${JSON.stringify({ index, id, ...bodyFor("overloaded", "Before.") })}\n`

const run = (files: BatchFiles, service: ServiceDouble, ...flags: ReadonlyArray<string>) =>
  runInProcess(["batch", files.input, "--output", files.output, "--server-url", service.url, ...flags])

const asked = (service: ServiceDouble) => service.asked.map(({ event }) => event["id"])
const ids = (files: BatchFiles) => files.results().map(({ id }) => id)

describe.concurrent("ai-ticket batch --resume", () => {
  it.live("passes over what is in the output already, and begins where there is none", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles(...events(5))
      files.writeOutput(ok(3) + ok(0))
      const { code, stderr } = yield* run(files, service, "--resume", "--ordered")
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(ids(files), [3, 0, 1, 2, 4])
      assert.deepStrictEqual(asked(service), [1, 2, 4])
      assert.include(stderr, "3 events in")
      assert.include(stderr, "2 skipped.")
      const fresh = yield* batchFiles(...events(2))
      assert.strictEqual((yield* run(fresh, service, "--resume")).code, 0)
      assert.sameMembers([...ids(fresh)], [0, 1])
    })
  )

  it.live("cuts half a line off first, however much of it there is", () =>
    Effect.gen(function* () {
      for (const half of [ok(1).slice(0, 1), ok(1).slice(0, 20), ok(1).slice(0, -1)]) {
        const service = yield* serviceDouble()
        const files = yield* batchFiles(...events(2))
        files.writeOutput(ok(0) + half)
        assert.strictEqual((yield* run(files, service, "--resume")).code, 0)
        assert.deepStrictEqual(ids(files), [0, 1])
        assert.deepStrictEqual(asked(service), [1])
      }
    })
  )

  it.live("leaves failed events as they are, and still exits with 1 for them", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles(...events(3))
      files.writeOutput(failed(1))
      const { code, stderr } = yield* run(files, service, "--resume")
      assert.strictEqual(code, 1)
      assert.include(stderr, "1 skipped (1 had failed)")
      assert.sameMembers(asked(service), [0, 2])
    })
  )

  it.live("tries failed events anew with --retry-failed: their lines give way to the new ones", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles(...events(4))
      files.writeOutput(failed(1) + ok(0) + failed(3) + ok(2).slice(0, 9))
      const { code } = yield* run(files, service, "--resume", "--retry-failed", "--ordered")
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(ids(files), [0, 1, 2, 3])
      assert.deepStrictEqual(asked(service), [1, 2, 3])
    })
  )

  it.live("keeps who may read the output, and the place that a link leads to, with --retry-failed", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles(...events(2))
      const kept = `${files.output}.kept`
      symlinkSync(kept, files.output)
      files.writeOutput(failed(1) + ok(0))
      chmodSync(kept, 0o600)
      assert.strictEqual((yield* run(files, service, "--resume", "--retry-failed")).code, 0)
      assert.deepStrictEqual(ids(files), [0, 1])
      assert.isTrue(lstatSync(files.output).isSymbolicLink())
      assert.strictEqual(readFileSync(kept, "utf8"), files.written())
      assert.strictEqual(statSync(kept).mode & 0o777, 0o600)
    })
  )

  it.live("knows events without an id again, the same line as many times as it has come", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles({ content: "p" }, { content: "q" }, { content: "p" }, "no JSON")
      yield* run(files, service, "--ordered")
      const whole = files.written()
      const lines = whole.split("\n").slice(0, -1)
      files.writeOutput(`${lines[2]}\n${lines[1]}\n`)
      const { code } = yield* run(files, service, "--resume")
      assert.strictEqual(code, 1)
      assert.sameMembers(files.written().split("\n").slice(0, -1), lines)
    })
  )

  it.live('takes of events that share an id as many as there are results, and 1 for another id than "1"', () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles(...[1, 1, 1, "1"].map((id) => ({ id, content: "p" })))
      files.writeOutput(ok(0, 1) + ok(1, 1))
      yield* run(files, service, "--resume")
      assert.sameMembers(asked(service), [1, "1"])
    })
  )

  it.live("goes on behind an answer of POST /events, with its blank lines", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles(...events(3))
      files.writeOutput(`\n${ok(0)}\n\n${failed(1, null)}`)
      yield* run(files, service, "--resume")
      assert.sameMembers(asked(service), [1, 2])
    })
  )

  it.live.each([
    { what: "somebody's notes", text: "do not lose me\n" },
    { what: "half a line of somebody's", text: `${ok(0)}do not lose me` },
    { what: "events", text: '{"id":1,"content":"p"}\n' },
    { what: "results with a line in between", text: `${ok(0)}{}\n${ok(1)}` }
  ])("leaves a file with $what in it alone: exit 2", ({ text }) =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles(...events(2))
      files.writeOutput(text)
      for (const flags of [["--resume"], ["--resume", "--retry-failed"]]) {
        const { code, stderr } = yield* run(files, service, ...flags)
        assert.strictEqual(code, 2)
        assert.include(stderr, "is not a result of a batch")
      }
      assert.strictEqual(files.written(), text)
      assert.deepStrictEqual(asked(service), [])
    })
  )

  it.live("is what an output needs that is there already: without it, exit 2", () =>
    Effect.gen(function* () {
      const service = yield* serviceDouble()
      const files = yield* batchFiles(...events(2))
      files.writeOutput(ok(0))
      const { code, stderr } = yield* run(files, service)
      assert.strictEqual(code, 2)
      assert.include(stderr, "--resume goes on with it")
      assert.strictEqual(files.written(), ok(0))
      files.writeOutput("")
      assert.strictEqual((yield* run(files, service)).code, 0)
    })
  )
})
