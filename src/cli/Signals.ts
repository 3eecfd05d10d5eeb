import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { type CommandFailure, failure } from "./CommandFailure.ts"

export type EndingSignal = "SIGINT" | "SIGTERM"

/** The signals that ask the program to end. */
export class Signals extends Context.Service<
  Signals,
  {
    /** Returns with the first one. */
    readonly first: Effect.Effect<EndingSignal>
    /** Returns with the next SIGINT, which asks nothing else to end: it is for whoever waits for it here. */
    readonly nextInterrupt: Effect.Effect<void>
  }
>()("ai-ticket/cli/Signals") {}

/** The signals as they are received from somewhere. */
export interface ReceivedSignals {
  readonly signals: Signals["Service"]
  /** Passes one on. False says that nobody takes it: the program was asked to end before. */
  readonly receive: (signal: EndingSignal) => boolean
}

export const makeSignals = (): ReceivedSignals => {
  const first = Deferred.makeUnsafe<EndingSignal>()
  const waiting = new Set<() => void>()
  return {
    signals: {
      first: Deferred.await(first),
      nextInterrupt: Effect.callback((resume) => {
        const taken = () => resume(Effect.void)
        waiting.add(taken)
        return Effect.sync(() => waiting.delete(taken))
      })
    },
    receive: (signal) => {
      if (signal !== "SIGINT" || waiting.size === 0) return Deferred.doneUnsafe(first, Effect.succeed(signal))
      const all = [...waiting]
      waiting.clear()
      for (const taken of all) taken()
      return true
    }
  }
}

/** Runs until a signal comes, which is how such work ends well: it returns once everything is closed. */
export const untilSignal = <E, R>(work: Effect.Effect<never, E, R>): Effect.Effect<void, E, R | Signals> =>
  Effect.flatMap(Signals, ({ first }) => Effect.asVoid(Effect.raceFirst(work, first)))

/** Gives up when a signal comes: what is under way is cancelled, and the exit code names the signal. */
export const unlessSignal = <A, E, R>(
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E | CommandFailure, R | Signals> =>
  Effect.flatMap(Signals, ({ first }) =>
    Effect.raceFirst(
      work,
      Effect.flatMap(first, (signal) => Effect.fail(failure(signal === "SIGINT" ? "interrupted" : "terminated", "")))
    )
  )
