import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { GenerationRecord } from "../../src/simulator/LedgerContent.ts"
import { generate, withSimulator } from "./RawHttp.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-journal-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

describe("the journal", () => {
  it.live("tells what became of each request, also of those that the ledger has forgotten", () =>
    Effect.gen(function* () {
      const journal = join(yield* directory, "journal.jsonl")
      const options = { tokensPerSecond: 0, ledgerSize: 1, faults: ["generate/503", "ok"], journal }
      yield* withSimulator(options, (simulator) =>
        Effect.forEach(["refused", "first", "second"], (genkey) => generate(simulator, { genkey }))
      )
      const lines: ReadonlyArray<GenerationRecord> = readFileSync(journal, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual(
        lines.map(({ genkey, outcome, tokens }) => [genkey, outcome, tokens]),
        [
          ["refused", "waiting", 0],
          ["refused", "fault", 0],
          ["first", "waiting", 0],
          ["first", "running", 0],
          ["first", "completed", 20],
          ["second", "waiting", 0],
          ["second", "running", 0],
          ["second", "completed", 20]
        ]
      )
    })
  )

  it.live("that can't be written stops the start", () =>
    Effect.gen(function* () {
      const journal = join(yield* directory, "absent", "journal.jsonl")
      const error = yield* Effect.flip(withSimulator({ journal }, () => Effect.void))
      assert.deepInclude(error, { _tag: "CannotKeepJournal", code: "ENOENT" })
    })
  )
})
