import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, postEvent } from "../support/TestService.ts"
import { startWorkers } from "../support/Workers.ts"
import { Program, start } from "./Program.ts"

/** Signals to the program itself, just before it loads all that it is made of: not to its workers. */
const signalled = (...signals: ReadonlyArray<NodeJS.Signals>): ReadonlyArray<string> => {
  const code =
    "const { getBuiltinModule } = process; process.getBuiltinModule = (name) => { process.getBuiltinModule = getBuiltinModule;" +
    `for (const signal of ${JSON.stringify(signals)}) process.kill(process.pid, signal); return getBuiltinModule(name) }`
  return ["--import", `data:text/javascript,if (process.env.NODE_UNIQUE_ID === undefined) { ${code} }`]
}

const occurrences = (text: string, part: string) => text.split(part).length - 1

describe("SIGHUP", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("ends nothing where there is no file to read again", () =>
      Effect.gen(function* () {
        const backend = yield* scriptedBackend
        const service = yield* start(["serve", "--port", "0", "--koboldcpp-url", backend.url])
        const url = yield* service.url
        service.child.kill("SIGHUP")
        yield* eventually(() => service.stdout().includes("nothing to read again") || service.child.signalCode !== null)
        assert.strictEqual((yield* postEvent(url, { content: "p" })).status, 200)
        service.child.kill("SIGTERM")
        assert.strictEqual(yield* service.exited, 0)
      })
    )

    it.effect.each(["", "--accent cyan ", "--accent=cyan "])(
      "and SIGUSR2 are waited with while it loads, and heeded once it is up: %sserve",
      (flags) =>
        Effect.gen(function* () {
          const backend = yield* scriptedBackend
          const service = yield* start([...`${flags}serve --port 0 --koboldcpp-url`.split(" "), backend.url], {
            node: signalled("SIGHUP", "SIGUSR2")
          })
          yield* eventually(
            () =>
              ["nothing to read again", "begins at DEBUG"].every((text) => service.stdout().includes(text)) ||
              service.child.signalCode !== null
          )
          assert.isNull(service.child.signalCode)
          assert.strictEqual((yield* postEvent(yield* service.url, { content: "p" })).status, 200)
          assert.strictEqual(occurrences(service.stdout(), "nothing to read again"), 1)
        })
    )

    it.effect("and SIGUSR2 are waited with by a service of several workers, too", () =>
      Effect.gen(function* () {
        const { pids, service } = yield* startWorkers(2, {}, [], signalled("SIGHUP", "SIGUSR2"))
        yield* eventually(
          () => service.stdout().includes("All workers are new: 2") || service.child.signalCode !== null
        )
        assert.isNull(service.child.signalCode)
        assert.strictEqual(pids().length, 4)
        // The keeper's own log, and those of all workers, the new ones included.
        yield* eventually(() => occurrences(service.stdout(), "begins at DEBUG") === 5)
      })
    )

    it.effect("ends a command that is no service, as ever", () =>
      Effect.gen(function* () {
        const { child, exited } = yield* start(["prompt", "serve"], { node: signalled("SIGHUP") })
        assert.strictEqual(yield* exited, "SIGHUP")
        assert.isNull(child.exitCode)
      })
    )
  })
})
