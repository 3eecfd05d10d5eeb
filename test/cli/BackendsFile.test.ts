import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sendEvent } from "../support/Http.ts"
import { scriptedBackend } from "../support/ScriptedBackend.ts"
import { eventually } from "../support/TestService.ts"
import { Program, run, start } from "./Program.ts"

const write = (name: string, text: string) =>
  Program.use(({ directory }) =>
    Effect.sync(() => {
      const path = join(directory, name)
      writeFileSync(path, text)
      return path
    })
  )

describe("a file of backends", () => {
  layer(Program.layer, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("that is good is said to be so by config --check, with what it points to", () =>
      Effect.gen(function* () {
        const path = yield* write(
          "good.yaml",
          "backends:\n  - { name: one, url: 'http://gpu', key: { env: ONE_KEY } }\n  - { name: two, url: 'http://gpu2' }\n" +
            "routes:\n  - { models: ['*'], backends: [two, one] }\n"
        )
        assert.deepStrictEqual(yield* run(["config", "--check", path], { env: { ONE_KEY: "k" } }), {
          code: 0,
          stdout: `${path} is good: 2 backends, 1 route.\n`,
          stderr: ""
        })
        assert.deepStrictEqual(yield* run(["config", "--check", path]), {
          code: 2,
          stdout: "",
          stderr: `ai-ticket: ${path} can't be used:\n  backends[0].key: the variable ONE_KEY holds no key\n`
        })
      })
    )

    it.effect("that is bad has all that is wrong with it told, each with its path", () =>
      Effect.gen(function* () {
        const path = yield* write(
          "bad.json",
          JSON.stringify({
            backends: [
              { name: "One", url: "http://gpu", slots: 0 },
              { name: "two", url: "gpu2", kind: "vllm", timeouts: { anser_seconds: 1 } }
            ],
            routes: [{ models: [], backends: ["two"], cache: { max_entries: "many" } }]
          })
        )
        const { code, stderr, stdout } = yield* run(["config", "--check", path])
        assert.deepStrictEqual([code, stdout], [2, ""])
        const [first, ...lines] = stderr.trimEnd().split("\n")
        assert.strictEqual(first, `ai-ticket: ${path} can't be used:`)
        assert.sameMembers(
          lines.map((line) => /^ {2}([^ ]+): \S/.exec(line)?.[1]),
          [
            ...["backends[0].name", "backends[0].slots"],
            ...["backends[1].url", "backends[1].kind", "backends[1].timeouts.anser_seconds"],
            ...["routes[0].models[0]", "routes[0].cache.max_entries"]
          ]
        )
      })
    )

    it.effect("that isn't there, or is no YAML, is told as such", () =>
      Effect.gen(function* () {
        const missing = yield* run(["config", "--check", "nowhere.yaml"])
        assert.deepStrictEqual(
          [missing.code, missing.stderr],
          [2, "ai-ticket: nowhere.yaml can't be used:\n  there is no such file\n"]
        )
        const { code, stderr } = yield* run(["config", "--check", yield* write("none.yaml", "{")])
        assert.strictEqual(code, 2)
        assert.include(stderr, "  it is neither YAML nor JSON\n")
      })
    )

    it.effect("that has tags in it which mean nothing here is told so, and they are not passed over", () =>
      Effect.gen(function* () {
        const path = yield* write(
          "tags.yaml",
          "backends:\n  - name: !!str one\n    url: !env GPU_URL\n    key: !<tag:example.org,2000:vault> { env: ONE_KEY }\n"
        )
        assert.deepStrictEqual(yield* run(["config", "--check", path], { env: { ONE_KEY: "k" } }), {
          code: 2,
          stdout: "",
          stderr:
            `ai-ticket: ${path} can't be used:\n` +
            "  line 3: the tag !env means nothing here\n" +
            "  line 4: the tag !<tag:example.org,2000:vault> means nothing here\n"
        })
      })
    )

    it.effect("is read again at SIGHUP, with what it points to; one that can't be used changes nothing", () =>
      Effect.gen(function* () {
        const backend = yield* scriptedBackend
        const keyFile = yield* write("key", "first-key\n")
        const path = yield* write(
          "backends.yaml",
          `backends:\n  - { name: one, url: '${backend.url}', key: { file: '${keyFile}' } }\n`
        )
        const service = yield* start(["serve", "--port", "0"], { env: { AI_TICKET_CONFIG: path } })
        const url = yield* service.url
        const keyShown = Effect.map(sendEvent(url, { content: "p" }), ({ status }) => {
          assert.strictEqual(status, 200)
          return backend.calls.at(-1)?.headers.authorization
        })
        const logged = (text: string) => eventually(() => service.stdout().includes(text))
        assert.strictEqual(yield* keyShown, "Bearer first-key")

        // The file itself stays as it was: only the signal says that there is something new.
        yield* write("key", "second-key\n")
        service.child.kill("SIGHUP")
        yield* logged("AI_TICKET_CONFIG was read again: 1 backend")
        assert.strictEqual(yield* keyShown, "Bearer second-key")

        yield* write("key", "")
        service.child.kill("SIGHUP")
        yield* logged(
          `AI_TICKET_CONFIG can't be used, and nothing was changed: backends[0].key: ${keyFile} holds no key`
        )
        assert.strictEqual(yield* keyShown, "Bearer second-key")
        assert.notInclude(service.stdout(), "-key")
      })
    )
  })
})
