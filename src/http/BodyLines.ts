import type { EventEmitter } from "node:events"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type CutShort, InvalidRequest, type Overloaded, RequestTimeout } from "../domain/Failure.ts"
import { type Line, makeLineSplitter } from "../domain/JsonLines.ts"
import { type Ending, either, endedBy } from "../services/Ending.ts"
import { monotonicMillis } from "../services/MonotonicClock.ts"
import { Settings } from "../services/Settings.ts"
import { BodyRoom, noRoom } from "./BodyRoom.ts"
import { brokenBody, overdueBody } from "./RequestBody.ts"

/** A line that takes room until it is released. */
export interface HeldLine {
  readonly line: Line
  readonly release: () => void
}

/** Why a body has no further lines, though it hasn't ended. */
export type BrokenOff = InvalidRequest | RequestTimeout | Overloaded | CutShort

/**
 * Reads request bodies line by line, however many there are, and no faster than they are taken: the limit of a body's
 * size counts for each line, and so does the time to receive it. What is waited for elsewhere is not the client's time.
 */
export class BodyLines extends Context.Service<
  BodyLines,
  {
    /** Blank lines, too, a run of them as one. Fails with the ending's error if that comes first. */
    readonly read: (
      request: HttpServerRequest.HttpServerRequest,
      ending: Ending<CutShort>
    ) => Stream.Stream<HeldLine, BrokenOff>
  }
>()("ai-ticket/http/BodyLines") {
  static readonly layer = Layer.effect(
    BodyLines,
    Effect.gen(function* () {
      const { maxBodyBytes, receiveTimeoutSeconds } = yield* Settings
      const room = yield* BodyRoom

      /** What one body holds in memory, of which it takes room for all but what any connection has in its buffers. */
      const holding = Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => ({ bytes: 0 })),
          (held) => Effect.sync(() => give(held, held.bytes))
        ),
        (held) => ({
          take: (bytes: number) => {
            const before = beyondBuffers(held.bytes)
            held.bytes += bytes
            return room.take(beyondBuffers(held.bytes) - before)
          },
          give: (bytes: number) => give(held, bytes),
          hold: (line: Line): HeldLine => ({
            line,
            release: () => give(held, line.bytes === undefined ? 0 : line.size)
          })
        })
      )
      const give = (held: { bytes: number }, bytes: number) => {
        const before = beyondBuffers(held.bytes)
        held.bytes -= Math.min(bytes, held.bytes)
        room.give(before - beyondBuffers(held.bytes))
      }

      return BodyLines.of({
        read: (request, ending) =>
          Stream.unwrap(
            Effect.gen(function* () {
              const incoming = NodeHttpServerRequest.toIncomingMessage(request)
              yield* passOverOverdue(incoming)
              const { give, hold, take } = yield* holding
              const splitter = makeLineSplitter(maxBodyBytes, { blankRuns: true })
              const split = (piece: Uint8Array): ReadonlyArray<Line> => {
                const before = splitter.passedOver()
                const lines = splitter.push(piece)
                give(splitter.passedOver() - before)
                return lines
              }
              const pull = yield* Stream.toPull(request.stream)
              const pieces = pull.pipe(
                Effect.mapError((error) => (Cause.isDone(error) ? error : unreadable)),
                endedBy(either(ending, broken(incoming)))
              )

              /** The next lines, if there is one by then. */
              const linesBy = (due: number): Pull.Pull<Arr.NonEmptyReadonlyArray<HeldLine>, BrokenOff> =>
                Effect.flatMap(monotonicMillis, (now) =>
                  pieces.pipe(
                    Effect.timeoutOrElse({
                      duration: Math.max(0, due - now),
                      orElse: () => Effect.fail(new RequestTimeout())
                    }),
                    Effect.flatMap((received) => {
                      const fits = received.map(({ length }) => take(length)).every((fitted) => fitted)
                      if (!fits) return Effect.fail(noRoom)
                      const lines = received.flatMap(split).map(hold)
                      return Arr.isArrayNonEmpty(lines) ? Effect.succeed(lines) : linesBy(due)
                    }),
                    Pull.catchDone(() => {
                      const lines = splitter.end().map(hold)
                      return Arr.isArrayNonEmpty(lines) ? Effect.succeed(lines) : Cause.done()
                    })
                  )
                )
              const next = Effect.flatMap(monotonicMillis, (now) => linesBy(now + receiveTimeoutSeconds * 1000))
              return Stream.fromPull(Effect.succeed(next))
            })
          )
      })
    })
  )
}

/** A few of the pieces in which bodies come. */
const bufferBytes = 256 * 1024

const beyondBuffers = (bytes: number): number => Math.max(0, bytes - bufferBytes)

const unreadable = new InvalidRequest({ details: "the body could not be read" })

const broken =
  (incoming: EventEmitter): Ending<InvalidRequest> =>
  (end) => {
    const onBroken = () => end(unreadable)
    incoming.on(brokenBody, onBroken)
    return () => incoming.off(brokenBody, onBroken)
  }

/** Node's time is one for a whole body, and it would close the connection if nobody heard that it is over. */
const passOverOverdue = (incoming: EventEmitter): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      incoming.on(overdueBody, passOver)
    }),
    () => Effect.sync(() => incoming.off(overdueBody, passOver))
  )

const passOver = () => {}
