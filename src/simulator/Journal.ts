import { closeSync, openSync, writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { GenerationRecord } from "./LedgerContent.ts"

/** The journal can't be written where it was told to. */
export class CannotKeepJournal extends Schema.TaggedError<CannotKeepJournal>()("CannotKeepJournal", {
  path: Schema.String,
  /** The operating system's word for it, such as ENOENT. */
  code: Schema.String
}) {
  override get message() {
    return `The simulator cannot write its journal ${this.path}: ${this.code}.`
  }
}

/** Takes a record down, and returns when it is. */
export type Journal = (record: GenerationRecord) => void

/**
 * A file with a line of JSON for each time that a request comes, has its turn or ends: the last one with its id counts.
 * It is written before anybody is answered, so that it tells of a simulator that was killed what its ledger can't.
 */
export const openJournal = (path: string | undefined) =>
  path === undefined
    ? Effect.succeed<Journal>(() => {})
    : Effect.acquireRelease(
        Effect.try({
          try: () => openSync(path, "a"),
          catch: (error) =>
            new CannotKeepJournal({
              path,
              code: error instanceof Error && "code" in error ? String(error.code) : "unknown"
            })
        }),
        (file) => Effect.sync(() => closeSync(file))
      ).pipe(
        Effect.map(
          (file): Journal =>
            (record) => {
              writeSync(file, `${JSON.stringify(record)}\n`)
            }
        )
      )
