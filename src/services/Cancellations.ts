import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Cancelled } from "../domain/Failure.ts"
import { Bag } from "./Bag.ts"
import type { Ending } from "./Ending.ts"
import { Fellows } from "./workers/Fellows.ts"

/** A request, by whose it is and by its id. */
export interface RequestName {
  readonly owner: string
  readonly id: string
}

/**
 * The requests that their clients may cancel by their ids. An id is its client's own: what another calls the same is
 * another, and several of one client's by the same id are cancelled together.
 */
export class Cancellations extends Context.Service<
  Cancellations,
  {
    /** Comes when the client cancels the request. */
    readonly endingOf: (request: RequestName) => Ending<Cancelled>
    /** False if nothing goes by that name, or not any more. */
    readonly cancel: (request: RequestName) => Effect.Effect<boolean>
  }
>()("ai-ticket/services/Cancellations") {
  static readonly layer = Layer.effect(
    Cancellations,
    Effect.map(Fellows, (fellows) => {
      const inHand = new Bag<RequestName & { readonly end: (error: Cancelled) => void }>()
      // Cancelling is rare: it may look at all that is in hand.
      const cancelHere = ({ id, owner }: RequestName): boolean => {
        const named = inHand.values().filter((request) => request.id === id && request.owner === owner)
        for (const { end } of named) end(new Cancelled())
        return named.length > 0
      }
      fellows?.answer("cancel", (request) => Effect.sync(() => cancelHere(request)))
      return Cancellations.of({
        endingOf: (request) => (end) => inHand.add({ ...request, end }),
        cancel: (request) =>
          Effect.suspend(() => {
            const here = cancelHere(request)
            if (fellows === undefined) return Effect.succeed(here)
            // Several may go by that name, wherever they are.
            return Effect.map(Effect.orDie(fellows.keeper.ask("cancel", request)), (elsewhere) => here || elsewhere)
          })
      })
    })
  )
}
