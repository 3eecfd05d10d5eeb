import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, testService } from "../support/TestService.ts"
import { type BatchFiles, batchFiles } from "./BatchFiles.ts"
import { Program, run, start } from "./Program.ts"

const setUp = Effect.gen(function* () {
  const backend = yield* scriptedBackend
  const service = yield* testService({ KOBOLDCPP_API_URL: backend.url, AI_TICKET_SLOTS: "8" })
  const files = yield* batchFiles(...Array.from({ length: 3 }, (_, id) => ({ id, content: "p" })))
  const to = (output: string, ...more: ReadonlyArray<string>) => [
    ...["batch", files.input, "--output", output, "--server-url", service.url, ...more]
  ]
  return { backend, files, lock: `${files.output}.lock`, resume: to(files.output, "--resume"), to }
})

const idsIn = ({ results }: BatchFiles) => results().map(({ id }) => id)

describe("the output of a batch", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("is that of one run at a time: another is told whose it is, and changes nothing", () =>
      Effect.gen(function* () {
        const { backend, files, lock, resume, to } = yield* setUp
        backend.script({ chat: [{}, { hang: true }] })
        const first = yield* start(resume)
        yield* eventually(() => files.results().length === 1 && backend.calls.length === 3)
        const before = files.written()
        const link = `${files.output}.link`
        symlinkSync(files.output, link)
        for (const other of [resume, to(link, "--resume", "--retry-failed")]) {
          const { code, stderr } = yield* run(other)
          assert.strictEqual(code, 2)
          assert.include(stderr, `is being written by another batch: process ${first.child.pid}.\n`)
        }
        assert.deepStrictEqual([files.written(), backend.calls.length], [before, 3])
        backend.script({})
        backend.release()
        assert.strictEqual(yield* first.exited, 0)
        assert.isFalse(existsSync(lock))
        assert.sameMembers(idsIn(files), [0, 1, 2])
      })
    )

    it.effect("is free at once when the run is killed", () =>
      Effect.gen(function* () {
        const { backend, files, lock, resume } = yield* setUp
        backend.script({ chat: [{}, { hang: true }] })
        const killed = yield* start(resume)
        yield* eventually(() => files.results().length === 1)
        killed.child.kill("SIGKILL")
        yield* killed.exited
        assert.include(readFileSync(lock, "utf8"), String(killed.child.pid))
        backend.script({})
        assert.strictEqual((yield* run(resume)).code, 0)
        assert.sameMembers(idsIn(files), [0, 1, 2])
        assert.isFalse(existsSync(lock))
      })
    )

    it.effect("is free when the run is interrupted", () =>
      Effect.gen(function* () {
        const { backend, files, lock, resume } = yield* setUp
        backend.script({ chat: [{}, { hang: true }] })
        const interrupted = yield* start(resume)
        yield* eventually(() => files.results().length === 1)
        interrupted.child.kill("SIGINT")
        assert.strictEqual(yield* interrupted.exited, 130)
        assert.isFalse(existsSync(lock))
      })
    )

    it.effect.each(["", "no lock\n", `{"pid":${process.pid},"since":"before"}`, '{"pid":2147483647,"since":""}'])(
      "is free where %j is all that is left of another run",
      (text) =>
        Effect.gen(function* () {
          const { files, lock, resume } = yield* setUp
          writeFileSync(lock, text)
          assert.strictEqual((yield* run(resume)).code, 0)
          assert.sameMembers(idsIn(files), [0, 1, 2])
          assert.isFalse(existsSync(lock))
        })
    )

    it.effect("is free where the run is dead and nobody has taken notice of it", () =>
      Effect.gen(function* () {
        const { lock, resume } = yield* setUp
        const parent = yield* Effect.acquireRelease(
          Effect.sync(() => spawn("sh", ["-c", "sleep 0.01 & echo $!; exec sleep 60"])),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        let said = ""
        parent.stdout.on("data", (text) => {
          said += text
        })
        const fields = () => readFileSync(`/proc/${Number(said)}/stat`, "utf8").split(" ")
        yield* eventually(() => said.endsWith("\n") && fields()[2] === "Z")
        writeFileSync(lock, JSON.stringify({ pid: Number(said), since: fields()[21] }))
        assert.strictEqual((yield* run(resume)).code, 0)
      })
    )

    it.effect("is written without a lock where none can be made", () =>
      Effect.gen(function* () {
        const { files, lock, resume } = yield* setUp
        mkdirSync(lock)
        assert.strictEqual((yield* run(resume)).code, 0)
        assert.sameMembers(idsIn(files), [0, 1, 2])
      })
    )

    it.effect("needs no lock where it is no file", () =>
      Effect.gen(function* () {
        const { to } = yield* setUp
        assert.strictEqual((yield* run(to("/dev/null"))).code, 0)
        assert.isFalse(existsSync("/dev/null.lock"))
      })
    )
  })
})
