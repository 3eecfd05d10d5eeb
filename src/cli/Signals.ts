import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type CommandFailure, failure } from "./CommandFailure.ts"

export type EndingSignal = "SIGINT" | "SIGTERM"

/** The signals that ask the program to end. */
export class Signals extends Context.Service<
  Signals,
  {
    /** Returns with the first one. */
    readonly first: Effect.Effect<EndingSignal>
  }
>()("ai-ticket/cli/Signals") {}

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
