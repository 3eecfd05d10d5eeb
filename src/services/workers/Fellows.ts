import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { KeeperQuestions, ToKeeper, ToLine, WorkerQuestions } from "./Packets.ts"
import type { Answers, Peer } from "./Peer.ts"

/**
 * What a worker has in common with the others of its machine: whatever must hold for all of them is asked of their
 * keeper.
 */
export interface Fellows {
  readonly keeper: Peer<ToKeeper, KeeperQuestions>
  /** How many workers there are. */
  readonly workers: number
  /** How this one answers for what it has in hand. */
  readonly answer: <K extends keyof WorkerQuestions>(question: K, answer: Answers<WorkerQuestions>[K]) => void
  /** Who hears what the keeper says of the line. */
  readonly onLine: (told: (told: ToLine) => void) => void
  /** Which visit of the line a slot belongs to. */
  readonly visits: WeakMap<object, number>
  /** Returns when another worker has taken the place of this one. */
  readonly retired: Effect.Effect<void>
  /** Ends this one. */
  readonly end: Effect.Effect<void>
}

/** There are none where one process does all. */
export const Fellows = Context.Reference<Fellows | undefined>("ai-ticket/services/workers/Fellows", {
  defaultValue: () => undefined
})
