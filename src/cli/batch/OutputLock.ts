import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type CommandFailure, failure } from "../CommandFailure.ts"

/** Whose the lock is. */
const Holder = Schema.Struct({
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  /** When that process began, in the system's own words: its number may be another's by now. Empty where nobody tells. */
  since: Schema.String
})
const HolderText = Schema.fromJsonString(Holder)

/**
 * Keeps two runs from writing to one output, for as long as the scope is open, by a file beside it. One that a killed run
 * has left behind counts for nothing. Where none can be made there is none; whether the output can be written, its
 * opening tells.
 */
export const lockOutput = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  // Whichever link it is called by.
  const real = yield* Effect.orElseSucceed(files.realPath(path), () => path)
  const type = yield* Effect.match(files.stat(real), { onFailure: () => "File", onSuccess: ({ type }) => type })
  if (type !== "File") return
  const lock = `${real}.lock`
  const holder: typeof Holder.Type = { pid: process.pid, since: yield* beginningOf(process.pid) }
  const mine = JSON.stringify(holder)
  const content = files.readFileString(lock)

  const acquire: Effect.Effect<boolean, CommandFailure, FileSystem.FileSystem> = Effect.gen(function* () {
    const made = yield* Effect.result(files.writeFileString(lock, mine, { flag: "wx" }))
    if (Result.isSuccess(made)) return true
    if (made.failure.reason._tag !== "AlreadyExists") return false
    const text = yield* content
    const other = yield* holderIn(text)
    if (other !== undefined) {
      const what = `The output ${JSON.stringify(path)} is being written by another batch: process ${other}.`
      return yield* failure("usage", what)
    }
    yield* takeAway(lock, text)
    return yield* acquire
  }).pipe(
    // Where it has gone meanwhile, there may be one.
    Effect.catchTag("PlatformError", ({ reason }) => (reason._tag === "NotFound" ? acquire : Effect.succeed(false)))
  )
  const release = Effect.ignore(Effect.flatMap(content, (text) => (text === mine ? files.remove(lock) : Effect.void)))
  yield* Effect.acquireRelease(acquire, (locked) => (locked ? release : Effect.void))
})

/** A run that has found the same dead lock may have been faster: what is taken away must be what was looked at. */
const takeAway = Effect.fnUntraced(function* (lock: string, dead: string) {
  const files = yield* FileSystem.FileSystem
  const aside = `${lock}.${process.pid}`
  yield* files.rename(lock, aside)
  yield* (yield* files.readFileString(aside)) === dead ? files.remove(aside) : files.rename(aside, lock)
})

/** The process that wrote it, if it is alive. */
const holderIn = (text: string): Effect.Effect<number | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const holder = Schema.decodeResult(HolderText)(text)
    if (Result.isFailure(holder)) return undefined
    const { pid, since } = holder.success
    return isAlive(pid) && since === (yield* beginningOf(pid)) ? pid : undefined
  })

const isAlive = (pid: number): boolean =>
  Result.match(
    Result.try(() => process.kill(pid, 0)),
    {
      onSuccess: () => true,
      // Somebody else's.
      onFailure: (error) => error instanceof Error && "code" in error && error.code === "EPERM"
    }
  )

/** When a process began, in ticks since the machine did; empty where there is no /proc, and for one that is dead. */
const beginningOf = (pid: number): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(`/proc/${pid}/stat`)).pipe(
    Effect.map((stat) => {
      // Its name, in brackets, may hold anything.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      // Nobody has asked yet how it ended.
      return fields[0] === "Z" ? "" : (fields[19] ?? "")
    }),
    Effect.orElseSucceed(() => "")
  )
