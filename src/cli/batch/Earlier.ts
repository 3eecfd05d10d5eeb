import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { type CommandFailure, failure } from "../CommandFailure.ts"
import { fileProblem } from "../FileProblem.ts"
import { linesIn } from "./Lines.ts"
import { type EventOutcome, readResultLine } from "./ResultLine.ts"

/** The results of earlier runs. */
export interface Earlier {
  /** Takes one result of an event with that id, a completion before a failure; undefined if there is none left. */
  readonly take: (id: string | number) => EventOutcome | undefined
}

/** The results of no run. */
export const nothingEarlier: Earlier = { take: () => undefined }

/**
 * Reads the results of earlier runs, so that a run can go on behind them. A half-written last line, as a killed process
 * leaves, is cut off; a file with anything in it but results is left alone. Failed events that are to be retried lose
 * their lines.
 */
export const readEarlier = Effect.fnUntraced(function* (path: string, { retryFailed }: { retryFailed: boolean }) {
  const files = yield* FileSystem.FileSystem
  const { counts, failed, half } = yield* scan(path)
  if (half !== undefined) yield* Effect.mapError(files.truncate(path, half), unusable(path))
  if (retryFailed && failed > 0) {
    yield* takeFailedOut(path)
    for (const count of counts.values()) count.failed = 0
  }
  return {
    take: (id) => {
      const count = counts.get(keyOf(id))
      const outcome = count === undefined ? undefined : outcomes.find((outcome) => count[outcome] > 0)
      if (count !== undefined && outcome !== undefined) count[outcome] -= 1
      return outcome
    }
  } satisfies Earlier
})

const outcomes: ReadonlyArray<EventOutcome> = ["ok", "failed"]

/** 1 is another id than "1". */
const keyOf = (id: string | number): string => JSON.stringify(id)

/** Counts the results by id, and finds the place of half a line. */
const scan = Effect.fnUntraced(function* (path: string) {
  const counts = new Map<string, Record<EventOutcome, number>>()
  let lines = 0
  let position = 0
  let failed = 0
  let half: number | undefined
  yield* Stream.runForEach(linesOf(path), (line) => {
    const result = readResultLine(line)
    lines += 1
    if (result._tag === "Foreign") {
      const what = `Line ${lines} of ${JSON.stringify(path)} is not a result of a batch: it is left as it is.`
      return Effect.fail(failure("usage", what))
    }
    if (result._tag === "Half") half = position
    if (result._tag === "Result") {
      if (result.outcome === "failed") failed += 1
      if (result.id !== null) count(counts, keyOf(result.id), result.outcome)
    }
    position += line.size
    return Effect.void
  })
  return { counts, failed, half }
})

const count = (counts: Map<string, Record<EventOutcome, number>>, key: string, outcome: EventOutcome) => {
  const counted = counts.get(key) ?? { ok: 0, failed: 0 }
  counted[outcome] += 1
  counts.set(key, counted)
}

/**
 * Puts a file without them in the place of the one with them, so that there is one or the other, whatever happens. It is
 * read by nobody who might not read the other: the results are the texts of somebody.
 */
const takeFailedOut = Effect.fnUntraced(function* (output: string) {
  const files = yield* FileSystem.FileSystem
  // In the place that a link leads to, and not in that of the link.
  const path = yield* Effect.mapError(files.realPath(output), unusable(output))
  const mode = (yield* Effect.mapError(files.stat(path), unusable(path))).mode & 0o777
  const copy = `${path}.resumed`
  const kept = Stream.flatMap(linesOf(path), (line) => {
    const result = readResultLine(line)
    return result._tag === "Result" && result.outcome === "ok"
      ? Stream.make(line.bytes ?? new Uint8Array(0), lineFeed)
      : Stream.empty
  })
  // One that an earlier run has left behind.
  const forget = Effect.ignore(files.remove(copy, { force: true }))
  yield* forget
  yield* Stream.run(kept, files.sink(copy, { flag: "wx", mode })).pipe(
    Effect.andThen(files.chmod(copy, mode)),
    Effect.catchTag("PlatformError", (error) => Effect.fail(unusable(copy)(error))),
    Effect.andThen(Effect.mapError(files.rename(copy, path), unusable(path))),
    Effect.onExit((exit) => (Exit.isFailure(exit) ? forget : Effect.void))
  )
})

const lineFeed = Uint8Array.of(0x0a)

const linesOf = (path: string) =>
  Stream.unwrap(
    Effect.map(FileSystem.FileSystem, (files) => linesIn(Stream.mapError(files.stream(path), unusable(path))))
  )

const unusable =
  (path: string) =>
  (error: PlatformError.PlatformError): CommandFailure =>
    failure("refused", `The file ${JSON.stringify(path)} can't be read or changed: ${fileProblem(error)}.`)
