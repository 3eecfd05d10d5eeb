import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"

/** A pull that has something to give already, and goes on with another. */
export const startingWith = <A, E>(first: A, rest: Pull.Pull<A, E>): Pull.Pull<A, E> => {
  let given = false
  return Effect.suspend(() => {
    if (given) return rest
    given = true
    return Effect.succeed(first)
  })
}
