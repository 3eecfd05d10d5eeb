import cluster, { type Worker } from "node:cluster"
import { once } from "node:events"
import type { Readable } from "node:stream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { closeWithWorker } from "./Handover.ts"
import type { Kept, makeKeeper } from "./Keeper.ts"

/** What a worker writes that never ends a line is passed on in pieces of this size. */
const longestLine = 1024 * 1024

/** A running worker. */
export interface WorkerProcess {
  readonly pid: number | undefined
  readonly kept: Kept
  /** Returns when it listens. */
  readonly up: Effect.Effect<void>
  /** Its exit code, or none where a signal ended it. */
  readonly exited: Effect.Effect<number | undefined>
  readonly startedAt: number
  readonly kill: (signal: NodeJS.Signals) => void
}

/** Starts a worker: this program once more, with the same arguments. What it writes is passed on in whole lines. */
export const startWorker = Effect.fnUntraced(function* (options: {
  readonly keeper: ReturnType<typeof makeKeeper>
  readonly env: Readonly<Record<string, string>>
  readonly write: (text: string) => void
  readonly writeError: (text: string) => void
  readonly now: number
  /** Whether it takes the place of one that has ended by itself. */
  readonly replaces: boolean
}) {
  const { keeper, now, replaces, write, writeError } = options
  const up = yield* Deferred.make<void>()
  const exited = yield* Deferred.make<number | undefined>()
  const worker: Worker = cluster.fork(options.env)
  const { process: child } = worker
  closeWithWorker(child)
  const kept = keeper.worker(
    (batch) => {
      if (worker.isConnected()) worker.send(batch, () => {})
    },
    () => Deferred.doneUnsafe(up, Effect.void),
    replaces
  )
  worker.on("message", kept.peer.receive)
  worker.on("error", () => {})
  const heard = [passOn(child.stdout, write), passOn(child.stderr, writeError)]
  // Its last words are heard before its end.
  child.on(
    "exit",
    (code) => void Promise.all(heard).then(() => Deferred.doneUnsafe(exited, Effect.succeed(code ?? undefined)))
  )
  return {
    kept,
    pid: child.pid,
    up: Deferred.await(up),
    exited: Deferred.await(exited),
    startedAt: now,
    kill: (signal) => child.kill(signal)
  } satisfies WorkerProcess
})

/** Several write to one log: a line must not end within another. */
const passOn = (from: Readable | null, write: (text: string) => void): Promise<unknown> => {
  if (from === null) return Promise.resolve()
  let rest = ""
  from.setEncoding("utf8").on("data", (text: string) => {
    const end = text.lastIndexOf("\n") + 1
    if (end > 0) write(rest + text.slice(0, end))
    rest = end > 0 ? text.slice(end) : rest + text
    if (rest.length > longestLine) {
      write(`${rest}\n`)
      rest = ""
    }
  })
  from.on("end", () => {
    if (rest !== "") write(`${rest}\n`)
  })
  return once(from, "close")
}
