import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Overloaded } from "../domain/Failure.ts"
import { Settings } from "../services/Settings.ts"

/** How many bodies of the largest size may be in memory at once while they are received. */
const largestBodiesAtOnce = 64

/** There is some again as soon as others are done. */
export const noRoom = new Overloaded({ retryAfterMillis: 1000 })

/** The room for what has been received and is not yet in the waiting line, in bytes: all requests share it. */
export class BodyRoom extends Context.Service<
  BodyRoom,
  {
    /** Takes the room in any case, and tells whether it was there; `give` must follow. */
    readonly take: (bytes: number) => boolean
    readonly give: (bytes: number) => void
  }
>()("ai-ticket/http/BodyRoom") {
  static readonly layer = Layer.effect(
    BodyRoom,
    Effect.map(Settings, ({ maxBodyBytes }) => {
      const room = maxBodyBytes * largestBodiesAtOnce
      let taken = 0
      return BodyRoom.of({
        take: (bytes) => {
          taken += bytes
          return taken <= room
        },
        give: (bytes) => {
          taken -= bytes
        }
      })
    })
  )
}
