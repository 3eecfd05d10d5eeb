import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type { Fellows } from "./Fellows.ts"
import type { KeeperQuestions, ToKeeper, ToLine, ToWorker, WorkerQuestions } from "./Packets.ts"
import { type Answers, makePeer } from "./Peer.ts"

/** A worker's end of the channel to its keeper; `end` asks this process to drain and end. */
export const linkToKeeper = Effect.fnUntraced(function* (options: {
  readonly workers: number
  readonly end: () => void
}) {
  const run = yield* FiberSet.makeRuntime<never>()
  const retired = yield* Deferred.make<void>()
  const end = Effect.sync(options.end)
  let onLine: (told: ToLine) => void = () => {}
  // Until its services are there, it has nothing in hand.
  const answers: { -readonly [K in keyof WorkerQuestions]: Answers<WorkerQuestions>[K] } = {
    abort: () => Effect.succeed(false),
    cancel: () => Effect.succeed(false),
    text: () => Effect.succeed(null),
    metrics: () => Effect.succeed(""),
    activity: () => Effect.succeed(null),
    settle: () => Effect.succeed(null)
  }
  const keeper = makePeer<ToKeeper, KeeperQuestions, ToWorker, WorkerQuestions>({
    run,
    // What can't be sent has nobody to hear it: without its keeper Node ends a worker.
    post: (batch) => process.send?.(batch, undefined, {}, () => {}),
    answers: {
      abort: (about) => answers.abort(about),
      cancel: (about) => answers.cancel(about),
      text: (about) => answers.text(about),
      metrics: (about) => answers.metrics(about),
      activity: (about) => answers.activity(about),
      settle: (about) => answers.settle(about)
    },
    told: (told) => {
      if (told.tell === "drain") options.end()
      else if (told.tell === "retire") Deferred.doneUnsafe(retired, Effect.void)
      else onLine(told)
    }
  })
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("message", keeper.receive)),
    () => Effect.sync(() => process.off("message", keeper.receive))
  )
  return {
    keeper,
    workers: options.workers,
    answer: (question, answer) => {
      answers[question] = answer
    },
    onLine: (told) => {
      onLine = told
    },
    visits: new WeakMap(),
    retired: Deferred.await(retired),
    end
  } satisfies Fellows
})
