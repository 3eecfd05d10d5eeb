import * as Arr from "effect/Array"
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { type CommandFailure, failure } from "./CommandFailure.ts"
import { notOurs } from "./Refusal.ts"
import { largestAnswer } from "./Server.ts"
import { brokeOff, tooLarge } from "./ServerEvents.ts"

/** What an event of a streamed answer says. */
export type Said =
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "End" }
  /** The answer failed on its way: a sentence. */
  | { readonly _tag: "Failure"; readonly message: string }

/** An event of a streamed answer: its data as it came, and the text that it adds. */
export interface Heard {
  readonly data: string
  readonly text: string
}

/** How a stream ends once everything that came before has been passed on. */
type Outcome = Effect.Effect<never, CommandFailure | Cause.Done>

/** How long to wait for the connection's end after the last event: closing it here would look like leaving. */
const closingTime = "1 second"

/**
 * Hears a streamed answer to its end. Fails as `refused` where an event tells of a failure, and as `unreachable` where
 * the connection ends before the last event: that is no answer, however much of it has come.
 */
export const hear =
  (url: string, read: (data: string) => Option.Option<Said>) =>
  <E, R>(events: Stream.Stream<string, E, R>): Stream.Stream<Heard, E | CommandFailure, R> =>
    Stream.transformPull(events, (upstream) =>
      Effect.sync(() => {
        let room = ByteSize.toNumberUnsafe(largestAnswer)
        let outcome: Outcome | undefined
        const theRest = Effect.timeoutOption(Effect.ignore(Effect.forever(upstream)), closingTime)

        const take = (data: string): ReadonlyArray<Heard> => {
          if (outcome !== undefined) return []
          const said = Option.getOrUndefined(read(data))
          if (said === undefined) {
            outcome = Effect.fail(notOurs(url, "has an event of another shape"))
            return []
          }
          if (said._tag !== "Text") {
            const how: Outcome = said._tag === "End" ? Cause.done() : Effect.fail(failure("refused", said.message))
            outcome = Effect.andThen(theRest, how)
            return [{ data, text: "" }]
          }
          room -= said.text.length
          if (room >= 0) return [{ data, text: said.text }]
          outcome = Effect.fail(tooLarge(url))
          return []
        }

        const next: Pull.Pull<Arr.NonEmptyReadonlyArray<Heard>, E | CommandFailure> = Effect.suspend(
          () =>
            outcome ??
            Effect.matchEffect(upstream, {
              onFailure: (error) => Effect.fail(Cause.isDone(error) ? brokeOff(url) : error),
              onSuccess: (data) => {
                const heard = data.flatMap(take)
                return Arr.isReadonlyArrayNonEmpty(heard) ? Effect.succeed(heard) : next
              }
            })
        )
        return next
      })
    )
