import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/**
 * A reason for which work in hand may have to end before its time, with an error of its own: a deadline, the end of a
 * drain. It is told by calling `end` once, and forgotten by calling what it returned.
 */
export type Ending<E> = (end: (error: E) => void) => () => void

/** Ends for whichever of two reasons comes first. */
export const either =
  <E, E2>(one: Ending<E>, other: Ending<E2>): Ending<E | E2> =>
  (end) => {
    const forgetOne = one(end)
    const forgetOther = other(end)
    return () => {
      forgetOne()
      forgetOther()
    }
  }

/** The same, which is told to somebody else as well. */
export const alsoTelling =
  (told: () => void) =>
  <E>(ending: Ending<E>): Ending<E> =>
  (end) =>
    ending((error) => {
      end(error)
      told()
    })

/**
 * Who is told of the ending of a stream beside whoever pulls it: one who writes it for a slow reader waits for that
 * reader, and pulls nothing meanwhile.
 */
export const AlsoTold = Context.Reference<() => void>("ai-ticket/AlsoTold", { defaultValue: () => () => {} })

/** No reason at all. */
export const none: Ending<never> = () => () => {}

/** The same ending, remembered for as long as the scope is open: whoever asks for it when it has come is told at once. */
export const remembered = <E>(ending: Ending<E>): Effect.Effect<Ending<E>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const ends = new Set<(error: E) => void>()
        const come: { error?: E } = {}
        const forget = ending((error) => {
          if (come.error !== undefined) return
          come.error = error
          for (const end of ends) end(error)
        })
        return { come, ends, forget }
      }),
      ({ forget }) => Effect.sync(forget)
    ),
    ({ come, ends }) =>
      (end) => {
        if (come.error === undefined) ends.add(end)
        else end(come.error)
        return () => ends.delete(end)
      }
  )

/** The error of a remembered ending that has come. */
export const comeTo = <E>(ending: Ending<E>): E | undefined => {
  let come: E | undefined
  const forget = ending((error) => {
    come = error
  })
  forget()
  return come
}

/**
 * Runs `self` until it ends, or the ending comes: then `self` is interrupted, with all that its interruption cleans up,
 * and the ending's error is the answer.
 */
export const endedBy =
  <E2>(ending: Ending<E2>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | E2, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkChild(restore(self), { startImmediately: true }), (fiber): Effect.Effect<A, E | E2> => {
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return exit
        let ended: Exit.Exit<never, E2> | undefined
        const forget = ending((error) => {
          ended ??= Exit.fail(error)
          fiber.interruptUnsafe()
        })
        return Effect.onExit(restore(Fiber.await(fiber)), (waited) => {
          forget()
          // Whoever waited has left: what it waited for goes with it.
          return Exit.isFailure(waited) ? Fiber.interrupt(fiber) : Effect.void
        }).pipe(
          Effect.flatMap((exit): Exit.Exit<A, E | E2> => (ended !== undefined && interrupted(exit) ? ended : exit))
        )
      })
    )

const interrupted = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
