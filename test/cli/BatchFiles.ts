import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

export interface BatchFiles {
  readonly input: string
  readonly output: string
  /** Everything the output holds, if it is there. */
  readonly written: () => string
  readonly results: () => ReadonlyArray<Record<string, unknown>>
  readonly writeOutput: (text: string) => void
}

/** An input of events, or of lines that are text already, and a place for an output. */
export const batchFiles = (...events: ReadonlyArray<unknown>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "ai-ticket-batch-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    ),
    (directory): BatchFiles => {
      const input = join(directory, "events.jsonl")
      const output = join(directory, "results.jsonl")
      writeFileSync(
        input,
        events.map((event) => `${typeof event === "string" ? event : JSON.stringify(event)}\n`).join("")
      )
      const written = () => (existsSync(output) ? readFileSync(output, "utf8") : "")
      return {
        input,
        output,
        written,
        results: () => resultsIn(written()),
        writeOutput: (text) => writeFileSync(output, text)
      }
    }
  )

export const resultsIn = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))
