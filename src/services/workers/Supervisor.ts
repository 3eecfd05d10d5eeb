import cluster from "node:cluster"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { counted } from "../../domain/Counted.ts"
import { monotonicMillis } from "../MonotonicClock.ts"
import { Settings } from "../Settings.ts"
import { makeKeeper } from "./Keeper.ts"
import { restartDelay, steadyMillis } from "./RestartPolicy.ts"
import { startWorker, type WorkerProcess } from "./WorkerProcess.ts"

/** The first worker did not come up, and has said why. */
export class FirstWorkerFailed extends Schema.TaggedError<FirstWorkerFailed>()("FirstWorkerFailed", {
  exitCode: Schema.Finite
}) {}

/** What a worker has beyond the grace period: to be left by its connections, and to abort what is with the backends. */
const slackMillis = 15_000

/** What a supervisor has to know of the process that it runs in. */
export interface Surroundings {
  /** Added to the environment of the workers. */
  readonly env: Readonly<Record<string, string>>
  readonly write: (text: string) => void
  readonly writeError: (text: string) => void
  /** A tick for each wish that the workers be replaced, one after the other. */
  readonly restarts: Stream.Stream<void>
  /** A tick for each wish to see more, or less, in the log of all. */
  readonly closerLooks: Stream.Stream<void>
}

/**
 * Runs `AI_TICKET_WORKERS` workers on one port until it is interrupted; then all drain, and it returns when the last has
 * ended. A worker that ends by itself is replaced, with a growing delay while those that follow come to nothing.
 */
export const supervise = ({ closerLooks, env, restarts, write, writeError }: Surroundings) =>
  Effect.gen(function* () {
    const { shutdownGraceSeconds, workers: size } = yield* Settings
    const run = yield* FiberSet.makeRuntime<never>()
    const keeper = makeKeeper({ store: yield* RateLimiter.RateLimiterStore, run })
    cluster.setupPrimary({ silent: true })

    const places: Array<WorkerProcess | undefined> = Array.from({ length: size })
    /** How many have come to nothing in a row, before the one that is there. */
    const failuresAt: Array<number> = places.map(() => 0)
    const alive = new Set<WorkerProcess>()
    /** Opens when all are up: what is wished before is done then. */
    const up = yield* Latch.make(false)
    /** Whether the log of all says more at present. */
    let closer = false
    let ending = false

    /** The end of one that has been told to go; it is made to, where it doesn't. */
    const endOf = ({ exited, kill }: WorkerProcess) =>
      Effect.timeoutOrElse(exited, {
        duration: shutdownGraceSeconds * 1000 + slackMillis,
        orElse: () => {
          kill("SIGKILL")
          return exited
        }
      })

    const endAll = Effect.suspend(() => {
      ending = true
      for (const { kept } of alive) kept.peer.tellNow({ tell: "drain" })
      return Effect.forEach([...alive], endOf, { concurrency: "unbounded", discard: true })
    })
    yield* Effect.addFinalizer(() => endAll)

    /** Starts one and watches over it: it is up, or its exit code is there. */
    const start = Effect.fnUntraced(function* (replaces: boolean) {
      const worker = yield* startWorker({ env, keeper, replaces, write, writeError, now: yield* monotonicMillis })
      alive.add(worker)
      run(
        Effect.flatMap(worker.exited, (code) => {
          worker.kept.gone()
          return ended(worker, code)
        })
      )
      // What it was told before it listened, Node has lost.
      const drainLate = Effect.sync(() => {
        if (ending) worker.kept.peer.tellNow({ tell: "drain" })
      })
      run(Effect.raceFirst(Effect.andThen(worker.up, drainLate), Effect.asVoid(worker.exited)))
      return yield* Effect.raceFirst(
        Effect.as(Effect.andThen(worker.up, Effect.logInfo(`Worker ${worker.pid} is up`)), { worker }),
        Effect.map(worker.exited, (code) => ({ exitCode: code ?? 1 }))
      )
    })

    /** False for one that has ended in the meantime, of which nobody would hear in its place. */
    const put = (place: number, worker: WorkerProcess, failures: number): boolean => {
      if (!alive.has(worker)) return false
      failuresAt[place] = failures
      places[place] = worker
      if (closer) worker.kill("SIGUSR2")
      return true
    }

    /** Fills a place, however often it takes. */
    const fill = (place: number, failuresSoFar: number): Effect.Effect<void> =>
      Effect.gen(function* () {
        for (let failures = failuresSoFar; ; failures += 1) {
          yield* Effect.sleep(restartDelay(failures))
          if (ending) return
          const started = yield* start(true)
          if ("worker" in started && put(place, started.worker, failures)) return
        }
      })

    const ended = (worker: WorkerProcess, code: number | undefined): Effect.Effect<void> =>
      Effect.gen(function* () {
        alive.delete(worker)
        const place = places.indexOf(worker)
        if (ending || place < 0) return
        places[place] = undefined
        const lived = (yield* monotonicMillis) - worker.startedAt
        const failures = lived >= steadyMillis ? 0 : (failuresAt[place] ?? 0) + 1
        yield* Effect.logWarning(
          `Worker ${worker.pid} ended ${code === undefined ? "by a signal" : `with ${code}`}: another takes its place`
        )
        yield* fill(place, failures)
      })

    /** One after the other: the next goes when the one before has its successor. */
    const restartAll = Effect.gen(function* () {
      for (const [place, old] of places.entries()) {
        // Where nobody is, somebody is about to be.
        if (old === undefined || ending) continue
        const started = yield* start(false)
        if (!("worker" in started)) {
          yield* Effect.logWarning("A new worker did not come up: the others stay")
          return
        }
        if (places[place] !== old) {
          started.worker.kept.peer.tell({ tell: "retire" })
          continue
        }
        if (!put(place, started.worker, 0)) continue
        old.kept.peer.tell({ tell: "retire" })
        yield* endOf(old)
      }
      yield* Effect.logInfo(`All workers are new: ${size}`)
    })

    // From the beginning on: until somebody listens for it, a SIGHUP ends the process.
    yield* Effect.forkScoped(
      Stream.runForEach(restarts, () => Effect.andThen(up.await, restartAll)),
      { startImmediately: true }
    )
    yield* Effect.forkScoped(
      Stream.runForEach(closerLooks, () =>
        Effect.andThen(
          up.await,
          Effect.sync(() => {
            closer = !closer
            for (const worker of places) worker?.kill("SIGUSR2")
          })
        )
      ),
      { startImmediately: true }
    )
    const first = yield* start(false)
    if (!("worker" in first)) return yield* new FirstWorkerFailed({ exitCode: first.exitCode })
    if (!put(0, first.worker, 0)) return yield* new FirstWorkerFailed({ exitCode: 1 })
    yield* Effect.forEach(places.slice(1), (_, at) => fill(at + 1, 0), { concurrency: "unbounded", discard: true })
    yield* Effect.logInfo(`${counted(size, "worker")} up`)
    yield* up.open

    return yield* Effect.never
  })
