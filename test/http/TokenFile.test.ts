import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sendEvent, until } from "../support/Http.ts"
import { startService } from "../support/Running.ts"
import { eventually } from "../support/TestService.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const setUp = Effect.fnUntraced(function* (text: string, settings: Readonly<Record<string, string>> = {}) {
  const path = join(yield* folder, "tokens")
  writeFileSync(path, text)
  const { lines, url } = yield* startService({ AI_TICKET_AUTH_TOKEN_FILE: path, ...settings })
  const statusOf = (token: string) => Effect.map(ask(token), ({ status }) => status)
  const ask = (token: string) => sendEvent(url, { content: "hi" }, { headers: { "x-api-key": token } })
  const becomes = (token: string, status: number) => until(ask(token), (answer) => answer.status === status)
  return { path, lines, statusOf, becomes }
})

describe.concurrent("a token file", () => {
  it.live("lets in each of its tokens, and those of the setting", () =>
    Effect.gen(function* () {
      const { statusOf } = yield* setUp("\uFEFFone\r\n# two\n\n  three  \n", { AI_TICKET_AUTH_TOKEN: "four" })
      const tokens = ["one", "three", "four", "two", "# two", "five"]
      assert.deepStrictEqual(yield* Effect.forEach(tokens, statusOf), [200, 200, 200, 403, 403, 403])
    })
  )

  it.live("counts as it is now, without a restart, however it was replaced", () =>
    Effect.gen(function* () {
      const { becomes, lines, path, statusOf } = yield* setUp("old\n")
      assert.deepStrictEqual(yield* Effect.forEach(["old", "new"], statusOf), [200, 403])
      writeFileSync(path, "new\n")
      yield* becomes("new", 200)
      assert.strictEqual(yield* statusOf("old"), 403)
      writeFileSync(`${path}.next`, "newest\n")
      renameSync(`${path}.next`, path)
      yield* becomes("newest", 200)
      assert.strictEqual(yield* statusOf("new"), 403)
      for (const line of lines) assert.notMatch(line, /\b(old|new|newest)\b/)
    })
  )

  it.live(
    "that vanishes or is emptied leaves the last good tokens, and a warning",
    () =>
      Effect.gen(function* () {
        const { becomes, lines, path, statusOf } = yield* setUp("good\n")
        const warnings = () => lines.filter((line) => line.includes('"level":"WARNING"')).length
        rmSync(path)
        yield* eventually(() => warnings() === 1)
        assert.deepStrictEqual(yield* Effect.forEach(["good", ""], statusOf), [200, 401])
        writeFileSync(path, "better\n")
        yield* becomes("better", 200)
        writeFileSync(path, "# nobody\n")
        yield* eventually(() => warnings() === 2)
        assert.deepStrictEqual(yield* Effect.forEach(["better", "", "other"], statusOf), [200, 401, 403])
      }),
    15_000
  )

  for (const [name, text] of Object.entries({ empty: "", "of comments alone": "# one\n\n" })) {
    it.live(`${name} stops the start instead of opening the door`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(setUp(text))
        assert.match(error.message, /AI_TICKET_AUTH_TOKEN_FILE/)
      })
    )
  }

  it.live("that isn't there stops the start", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "missing")
      const error = yield* Effect.flip(startService({ AI_TICKET_AUTH_TOKEN_FILE: path }))
      assert.match(error.message, /AI_TICKET_AUTH_TOKEN_FILE/)
    })
  )
})
