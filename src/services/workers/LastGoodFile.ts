import * as Effect from "effect/Effect"
import { Fellows } from "./Fellows.ts"

/** The files that are read again while the service runs, so that the last good one may be another than the present one. */
export type WatchedFile = "backends" | "tokens"

/** A file as it goes from one worker to another. */
export interface GoodFile {
  readonly text: string
  /** The secrets that it points to, by name. */
  readonly secrets: Readonly<Record<string, string>>
}

/** Leaves with the keeper, if there is one, what whoever comes later can begin with. */
export const rememberFile = (which: WatchedFile, file: GoodFile): Effect.Effect<void> =>
  Effect.map(Fellows, (fellows) => fellows?.keeper.tell({ tell: "file", which, file }))

/**
 * What the others go on with, for a worker that takes the place of one that crashed and finds the file of no use. Everybody
 * else gets none, and is to say what is wrong with it.
 */
export const lastGoodFile = (which: WatchedFile): Effect.Effect<GoodFile | null> =>
  Effect.flatMap(Fellows, (fellows) =>
    fellows === undefined ? Effect.succeed(null) : Effect.orElseSucceed(fellows.keeper.ask("file", which), () => null)
  )
