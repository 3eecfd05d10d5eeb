import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Backends, type Lane } from "./Backends.ts"
import { CurrentRequest, shareOf } from "./CurrentRequest.ts"
import { Deadline } from "./Deadline.ts"
import type { LineState, Refused, Visit } from "./Gate.ts"
import type { Suits } from "./LaneChoice.ts"
import { makeLocalGate } from "./LocalGate.ts"
import { Metrics } from "./Metrics.ts"
import { millisOf } from "./MonotonicClock.ts"
import { Settings } from "./Settings.ts"
import { attribute, spanName } from "./telemetry/Names.ts"
import { spanIn } from "./telemetry/Tracing.ts"
import { Fellows } from "./workers/Fellows.ts"
import { makeRemoteGate } from "./workers/RemoteGate.ts"

/**
 * The right to use a backend. Finalizers added to it run before the next in line gets the slot: an abort that the
 * backend has yet to hear of keeps the slot taken.
 */
export class Slot extends Context.Service<Slot, Scope.Closeable>()("ai-ticket/services/WaitingLine/Slot") {}

/** A slot, and whose it is. */
export interface Place {
  readonly lane: Lane
  readonly slot: Scope.Closeable
}

/**
 * The one line in front of all backends: so many slots each, so many waiting, fair between clients, and a no for the
 * rest. Whoever may go gets the backend of the first tier that is up and likely to be done with him soonest.
 */
export class WaitingLine extends Context.Service<
  WaitingLine,
  {
    /** Runs with a slot of a backend that suits, after waiting for it. */
    readonly withSlot: <A, E, R>(
      suits: Suits,
      use: (lane: Lane) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | Refused, Exclude<R, Slot>>
    /** Runs with a slot that is free now, if there is one and then `allowed` says yes; it never waits for one. */
    readonly withFreeSlot: <A, E, R>(
      suits: Suits,
      allowed: Effect.Effect<boolean>,
      use: (lane: Lane) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | Refused, Exclude<R, Slot>>
    /** Waits for a slot and keeps it until the scope closes. */
    readonly enter: (suits: Suits) => Effect.Effect<Place, Refused, Scope.Scope>
    readonly waiting: Effect.Effect<number>
    readonly inUse: Effect.Effect<number>
    readonly state: Effect.Effect<LineState>
  }
>()("ai-ticket/services/WaitingLine") {
  static readonly layer = Layer.effect(
    WaitingLine,
    Effect.gen(function* () {
      const { queueLimit } = yield* Settings
      const { changes, lanes } = yield* Backends
      const metrics = yield* Metrics
      const taken = (visit: Visit, lane: Lane) => {
        visit.lane = lane
        visit.takenAt = millisOf(visit.clock)
        metrics.queueWait(visit.takenAt - visit.enteredAt)
        noteWait(visit)
        tellWait(visit)
      }
      const fellows = yield* Fellows
      const gate =
        fellows === undefined
          ? makeLocalGate({ lanes, queueLimit, taken })
          : makeRemoteGate({ fellows, lanes, queueLimit })
      metrics.readLine(
        gate.counts,
        Effect.map(gate.state, (state) => state.expectedWait)
      )
      yield* Effect.forkScoped(
        Stream.runForEach(changes, () => gate.reconsider),
        { startImmediately: true }
      )

      const releasing = new Set<Fiber.Fiber<void>>()
      // A slot given back behind the caller's back is still given back before the layer is gone.
      yield* Effect.addFinalizer(() => Fiber.awaitAll(releasing))

      const begin = (fiber: Fiber.Fiber<unknown, unknown>, suits: Suits): Visit => {
        const clock = fiber.getRef(Clock.Clock)
        const request = fiber.getRef(CurrentRequest)
        const visit: Visit = {
          clock,
          request,
          slot: Scope.makeUnsafe(),
          enteredAt: millisOf(clock),
          span: spanIn(fiber.context),
          client: request === undefined ? "" : shareOf(request),
          priority: request?.priority ?? "normal",
          suits,
          among: [],
          stood: false,
          lane: undefined,
          takenAt: undefined,
          settle: () => {},
          go: (lane) => {
            taken(visit, lane)
            visit.settle(Effect.succeed(lane))
          }
        }
        return visit
      }

      /** Closes the slot, with the cleanups it holds, and lets the next one in. */
      const giveBack = (visit: Visit, lane: Lane, exit: Exit.Exit<unknown, unknown>) =>
        Effect.ensuring(
          Scope.close(visit.slot, exit),
          Effect.sync(() => {
            const held = millisOf(visit.clock) - (visit.takenAt ?? 0)
            // It makes a backend no quicker to fail quickly, or to be left: what was not done would have taken longer.
            const telling = Exit.isSuccess(exit) || held > lane.load.serviceMillis()
            gate.back(visit, lane, telling ? held : undefined)
          })
        )

      const leave = (
        visit: Visit,
        exit: Exit.Exit<unknown, unknown>,
        patient = !Exit.hasInterrupts(exit)
      ): Effect.Effect<void> => {
        if (visit.lane === undefined) {
          if (gate.left(visit)) noteWait(visit)
          tellWait(visit, Exit.hasInterrupts(exit) ? "aborted" : "no_slot")
          return Effect.void
        }
        if (patient) return giveBack(visit, visit.lane, exit)
        // A caller who left doesn't wait for the cleanups.
        const given = giveBack(visit, visit.lane, exit)
        return Effect.map(Effect.forkDetach(given, { startImmediately: true }), (fiber) => {
          releasing.add(fiber)
          fiber.addObserver(() => releasing.delete(fiber))
        })
      }

      const within = <A, E, R>(
        suits: Suits,
        enter: (visit: Visit, deadline: number) => Effect.Effect<Lane, Refused>,
        use: (lane: Lane) => Effect.Effect<A, E, R>
      ) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.withFiber<A, E | Refused, Exclude<R, Slot>>((fiber) => {
            const visit = begin(fiber, suits)
            return Effect.flatMap(restore(enter(visit, fiber.getRef(Deadline))), (lane) =>
              restore(Effect.provideService(use(lane), Slot, visit.slot))
            ).pipe(Effect.onExit((exit) => leave(visit, exit)))
          })
        )

      return WaitingLine.of({
        waiting: Effect.map(gate.state, ({ waiting }) => waiting),
        inUse: Effect.map(gate.state, ({ inUse }) => inUse),
        state: gate.state,
        withSlot: (suits, use) => within(suits, gate.wait, use),
        withFreeSlot: (suits, allowed, use) => within(suits, (visit) => gate.takeFree(visit, allowed), use),
        enter: (suits) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.withFiber((fiber) => {
              const visit = begin(fiber, suits)
              return restore(gate.wait(visit, fiber.getRef(Deadline))).pipe(
                Effect.onError(() => leave(visit, Exit.interrupt())),
                // Whoever closes it has his answer, and doesn't wait for the cleanups either.
                Effect.tap(() => Effect.addFinalizer((exit) => leave(visit, exit, false))),
                Effect.map((lane) => ({ lane, slot: visit.slot }))
              )
            })
          )
      })
    })
  )
}

/** What is shorter is the way to the line that workers share, and so no part of the story. */
const shortestWaitMillis = 1

/** The wait as a span, told when it is over. */
const tellWait = ({ clock, enteredAt, lane, request, span, stood }: Visit, failure?: string) => {
  if (span?.sampled !== true) return
  const millis = millisOf(clock) - enteredAt
  if (failure === undefined && (!stood || millis < shortestWaitMillis)) return
  const attributes = { [attribute.priority]: request?.priority, [attribute.backend]: lane?.backend.name }
  span.child(spanName.queue, "internal", attributes, millis).end(failure)
}

/** The time in line, whether a slot was the end of it or not. */
const noteWait = ({ clock, enteredAt, request, takenAt }: Visit) => {
  if (request !== undefined) request.queueMillis += (takenAt ?? millisOf(clock)) - enteredAt
}
