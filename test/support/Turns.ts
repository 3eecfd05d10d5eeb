import * as Effect from "effect/Effect"

/** Waits for so many turns of the event loop: a moment by what happens in it, however busy the machine is. */
export const turns = (count: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const turn = (left: number): void => void setImmediate(() => (left > 1 ? turn(left - 1) : resume(Effect.void)))
    if (count > 0) turn(count)
    else resume(Effect.void)
  })
