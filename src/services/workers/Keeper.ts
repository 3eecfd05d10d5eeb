import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import { type Activity, addActivities, ofTheDeparted } from "../../domain/Activity.ts"
import { sumMetrics } from "../../domain/MetricsText.ts"
import { KeptLine, type Orphan } from "./KeptLine.ts"
import type { GoodFile, WatchedFile } from "./LastGoodFile.ts"
import {
  type FoundText,
  type KeeperQuestions,
  latestOf,
  type ToKeeper,
  type ToWorker,
  type WorkerQuestions
} from "./Packets.ts"
import { type Answers, makePeer, type Peer } from "./Peer.ts"

/** How long a worker may take to say what it has counted, before what it said last is taken. */
const metricsTimeout = "1 second"

/** How long the abort of what a dead worker left may take, the count of its tokens included. */
const settleTimeout = "5 seconds"

/** A worker, as its keeper knows it. */
export interface Kept {
  readonly peer: Peer<ToWorker, WorkerQuestions>
  /** It is no more: its slots are free as soon as what it has left at the backends is stopped. */
  readonly gone: () => void
}

type Worker = Pick<Kept, "peer"> & {
  readonly replaces: boolean
  up: boolean
  counted: string
  done: Activity | undefined
}

const added = (one: Activity | undefined, other: Activity | undefined): Activity | undefined =>
  one === undefined || other === undefined ? (one ?? other) : addActivities(one, other)

/**
 * What the workers of a machine have in common: the line with its slots, the counters of the rate limit, the sum of the
 * metrics; and the way from each to what another has in hand.
 */
export const makeKeeper = (options: {
  readonly store: RateLimiter.RateLimiterStore["Service"]
  readonly run: (effect: Effect.Effect<void>) => void
}) => {
  const { run, store } = options
  const line = new KeptLine()
  const workers = new Set<Worker>()
  /** What those have counted that are no more. */
  let departed = ""
  let departedDone: Activity | undefined
  /** What a worker begins with that takes the place of one that crashed, where the file itself can't be used. */
  const lastGood = new Map<WatchedFile, GoodFile>()
  /** Waits for a worker that can stop what another left. */
  let orphans: Array<Orphan> = []

  const others = (asking: Worker) => [...workers].filter((worker) => worker !== asking && worker.up)

  /** Asks all others, and passes over those that are gone before they have answered. */
  const fromOthers = <K extends "cancel" | "text" | "abort">(
    asking: Worker,
    question: K,
    about: WorkerQuestions[K]["about"]
  ): Effect.Effect<ReadonlyArray<WorkerQuestions[K]["answer"]>> =>
    Effect.map(
      Effect.forEach(others(asking), ({ peer }) => Effect.option(peer.ask(question, about)), {
        concurrency: "unbounded"
      }),
      (answers) => answers.flatMap((answer) => (answer._tag === "Some" ? [answer.value] : []))
    )

  const countsOf = (worker: Worker) =>
    worker.peer.ask("metrics", null).pipe(
      Effect.timeout(metricsTimeout),
      Effect.match({
        onFailure: () => {},
        onSuccess: (text) => {
          worker.counted = text
        }
      })
    )

  const metrics = Effect.suspend(() => {
    const asked = [...workers].filter(({ up }) => up)
    return Effect.map(Effect.forEach(asked, countsOf, { concurrency: "unbounded", discard: true }), () =>
      sumMetrics(
        // One that has just gone is among the departed.
        asked.filter((worker) => workers.has(worker)).map(({ counted }) => counted),
        [departed]
      )
    )
  })

  const doneBy = (worker: Worker) =>
    worker.peer.ask("activity", null).pipe(
      Effect.timeout(metricsTimeout),
      Effect.match({
        onFailure: () => {},
        onSuccess: (activity) => {
          worker.done = activity ?? worker.done
        }
      })
    )

  const activity = Effect.suspend(() => {
    const asked = [...workers].filter(({ up }) => up)
    return Effect.map(
      Effect.forEach(asked, doneBy, { concurrency: "unbounded", discard: true }),
      () =>
        asked.filter((worker) => workers.has(worker)).reduce((sum, { done }) => added(sum, done), departedDone) ?? null
    )
  })

  const settle = (orphan: Orphan, { peer }: Worker): Effect.Effect<void> =>
    peer.ask("settle", { backend: orphan.backend, genkey: orphan.genkey }).pipe(
      Effect.timeout(settleTimeout),
      Effect.matchEffect({
        onSuccess: () => Effect.sync(orphan.settled),
        onFailure: (error) => {
          if (error._tag !== "PeerGone") return Effect.sync(orphan.settled)
          orphans.push(orphan)
          return settleAll
        }
      })
    )

  /** Has a living worker stop what another left; without one, the next to come does it. */
  const settleAll: Effect.Effect<void> = Effect.suspend(() => {
    const able = [...workers].find(({ up }) => up)
    if (able === undefined) return Effect.void
    const found = orphans
    orphans = []
    return Effect.forEach(found, (orphan) => settle(orphan, able), { concurrency: "unbounded", discard: true })
  })

  const answersFor = (worker: () => Worker): Answers<KeeperQuestions> => ({
    metrics: () => metrics,
    activity: () => activity,
    file: (which) => Effect.sync(() => (worker().replaces ? (lastGood.get(which) ?? null) : null)),
    line: (offers) => Effect.sync(() => line.state(offers)),
    limit: ({ key, limit, refillMillis, tokens }) =>
      Effect.orDie(store.fixedWindow({ key, limit, tokens, refillRate: Duration.millis(refillMillis) })),
    cancel: (about) => Effect.map(fromOthers(worker(), "cancel", about), (found) => found.includes(true)),
    abort: (about) => Effect.map(fromOthers(worker(), "abort", about), (found) => found.includes(true)),
    text: (about) =>
      Effect.map(fromOthers(worker(), "text", about), (found) => found.reduce<FoundText | null>(latestOf, null))
  })

  return {
    /** A new worker; it `replaces` one that has ended by itself, or nobody. `up` is called when it listens. */
    worker: (post: (batch: ReadonlyArray<unknown>) => void, up: () => void, replaces: boolean): Kept => {
      const peer = makePeer<ToWorker, WorkerQuestions, ToKeeper, KeeperQuestions>({
        ...{ post, run },
        answers: answersFor(() => worker),
        told: (told) => {
          switch (told.tell) {
            case "up":
              worker.up = true
              up()
              return run(settleAll)
            case "metrics":
              worker.counted = told.text
              return
            case "activity":
              worker.done = told.activity
              return
            case "file":
              lastGood.set(told.which, told.file)
              return
            default:
              place.hear(told)
          }
        }
      })
      const place = line.worker(peer.tell)
      const worker: Worker = { peer, replaces, up: false, counted: "", done: undefined }
      workers.add(worker)
      return {
        peer,
        gone: () => {
          peer.gone()
          workers.delete(worker)
          departed = sumMetrics([], [departed, worker.counted])
          if (worker.done !== undefined) departedDone = added(departedDone, ofTheDeparted(worker.done))
          orphans.push(...place.gone())
          run(settleAll)
        }
      }
    }
  }
}
