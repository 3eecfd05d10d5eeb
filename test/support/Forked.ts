import * as Effect from "effect/Effect"

/** Runs it beside the test, up to its first suspension before the test goes on. */
export const forked = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.forkChild(self, { startImmediately: true })
