import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually, postEvent } from "../support/TestService.ts"
import { Program, start } from "./Program.ts"

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
  })
})
