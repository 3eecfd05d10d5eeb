import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { Cancelled } from "../domain/Failure.ts"
import type { Ending } from "./Ending.ts"

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
    readonly cancel: (request: RequestName) => boolean
  }
>()("ai-ticket/services/Cancellations") {
  static readonly layer = Layer.sync(Cancellations, () => {
    const inHand = new Map<string, Set<(error: Cancelled) => void>>()
    const nameOf = ({ id, owner }: RequestName) => `${owner}\n${id}`
    return Cancellations.of({
      endingOf: (request) => (end) => {
        const name = nameOf(request)
        const ends = inHand.get(name) ?? new Set()
        inHand.set(name, ends.add(end))
        return () => {
          ends.delete(end)
          if (ends.size === 0 && inHand.get(name) === ends) inHand.delete(name)
        }
      },
      cancel: (request) => {
        const ends = inHand.get(nameOf(request))
        if (ends === undefined) return false
        for (const end of ends) end(new Cancelled())
        return true
      }
    })
  })
}
