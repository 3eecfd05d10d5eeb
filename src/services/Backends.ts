import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type RouteEntry, routeMatches } from "../domain/Configuration.ts"
import { type Breaker, makeBreaker } from "./Breaker.ts"
import { Breakers } from "./Breakers.ts"
import { type Health, makeHealth } from "./Health.ts"
import type { InferenceBackend } from "./InferenceBackend.ts"
import { type LaneLoad, makeLaneLoad } from "./LaneLoad.ts"
import { Metrics } from "./Metrics.ts"
import { monotonicMillis } from "./MonotonicClock.ts"
import { keepProbing } from "./Probing.ts"

/** A backend in use, and how it may be used. */
export interface Lane {
  readonly backend: InferenceBackend
  readonly breaker: Breaker
  readonly health: Health
  readonly load: LaneLoad
  /** Requests at once. */
  readonly slots: number
  /** Lower ones first: a backend of a later tier is used only while none of the earlier tiers is up. */
  readonly tier: number
  /** How much of a tier's work it is fit for, beside the others of the tier. */
  readonly weight: number
  /** How long a whole answer, or the first text of a stream, may take before another backend is asked. */
  readonly answerMillis: number | undefined
}

/** What a lane is made of. */
export interface LaneOptions {
  readonly backend: InferenceBackend
  readonly slots: number
  readonly tier?: number
  readonly weight?: number
  readonly answerMillis?: number | undefined
  /** How long it may go unheard before it is asked how it is, in milliseconds; it never is if not given. */
  readonly probeMillis?: number | undefined
  /** What its settings say: a lane whose fingerprint stays is kept, with all that it has in hand. */
  readonly fingerprint?: string
}

/** Backends and routes, to be applied whole. */
export interface Plan {
  readonly lanes: readonly [LaneOptions, ...ReadonlyArray<LaneOptions>]
  readonly routes: ReadonlyArray<RouteEntry>
}

export type Lanes = readonly [Lane, ...ReadonlyArray<Lane>]

/** A lane, and what has to be ended with it. */
interface Held {
  readonly scope: Scope.Closeable
  readonly fingerprint: string | undefined
  readonly probing: Fiber.Fiber<never> | undefined
}

/** The backends in use. */
export class Backends extends Context.Service<
  Backends,
  {
    readonly lanes: () => Lanes
    /** The route of a model, if it has one: the same value for as long as it and its backends stay what they are. */
    readonly routeFor: (model: string | undefined) => RouteEntry | undefined
    /** The tier of a backend for requests of that model; undefined where they don't go. */
    readonly tierFor: (model: string | undefined) => (lane: Lane) => number | undefined
    /** Ticks when a backend may have become available, or have ceased to be. */
    readonly changes: Stream.Stream<void>
    /** Goes over to another plan. Requests in flight finish on what they began with. */
    readonly apply: (plan: Plan) => Effect.Effect<void>
  }
>()("ai-ticket/services/Backends") {
  /** Those backends to begin with, each behind a breaker of its own. */
  static readonly layer = <E, R>(
    initial: Effect.Effect<Plan, E, R>
  ): Layer.Layer<Backends, E, Exclude<Exclude<R, Scope.Scope>, Breakers> | Metrics> =>
    Layer.effect(
      Backends,
      Effect.gen(function* () {
        const metrics = yield* Metrics
        const outer = yield* Effect.scope
        const context = yield* Effect.context<Breakers | Metrics>()
        const ticks = yield* PubSub.sliding<void>(1)
        const held = new Map<Lane, Held>()
        /** Those that are let go of, until the last request is done with them. */
        const leaving = new Set<Lane>()
        let opened = 0

        /** What is in hand at a server takes its slots, whatever its settings have become meanwhile. */
        const loadOf = (
          { name, url }: InferenceBackend,
          shape: { readonly slots: number; readonly weight: number }
        ) => {
          const before = [...leaving, ...held.keys()].findLast(
            ({ backend }) => backend.name === name && backend.url !== undefined && backend.url === url
          )
          before?.load.reshape(shape)
          return before?.load ?? makeLaneLoad(shape)
        }

        const open = Effect.fnUntraced(function* (options: LaneOptions) {
          const { answerMillis, backend, fingerprint, probeMillis, slots, tier = 1, weight = 1 } = options
          const scope = yield* Scope.fork(outer)
          opened += 1
          const health = makeHealth(yield* monotonicMillis, probeMillis)
          const made = makeBreaker({
            ...{ backend: backend.name, key: `${opened}`, health, probed: probeMillis !== undefined },
            turned: PubSub.publish(ticks, undefined)
          })
          const breaker = yield* Scope.provide(made, scope)
          const load = loadOf(backend, { slots, weight })
          const lane: Lane = { backend, breaker, health, load, slots, tier, weight, answerMillis }
          const probing =
            probeMillis === undefined
              ? undefined
              : yield* Effect.forkIn(keepProbing({ backend, breaker, health }), scope)
          // In one step: an old lane of its name, when it goes, must find it or be gone before its series are there.
          held.set(lane, { scope, fingerprint, probing })
          metrics.announce(
            backend.name,
            backend.endpoints.map(({ name }) => name),
            backend.provider
          )
          metrics.readBreaker(backend.name, breaker.state)
          return lane
        })

        /** A lane that goes on as it is, or a new one. */
        const laneFor = (options: LaneOptions) => {
          const kept = [...held].find(
            ([, { fingerprint }]) => fingerprint !== undefined && fingerprint === options.fingerprint
          )
          return kept === undefined ? open(options) : Effect.succeed(kept[0])
        }

        /** Lets go of a lane when nobody uses it any more. */
        const retire = (lane: Lane, { probing, scope }: Held) => {
          held.delete(lane)
          leaving.add(lane)
          // Nobody asks for its health any more.
          const over = Effect.andThen(
            probing === undefined ? Effect.void : Fiber.interrupt(probing),
            lane.load.idle.await
          )
          const gone = Effect.sync(() => {
            leaving.delete(lane)
            const { name } = lane.backend
            if (![...leaving, ...held.keys()].some(({ backend }) => backend.name === name)) metrics.forget(name)
          })
          return over.pipe(Effect.andThen(Scope.close(scope, Exit.void)), Effect.ensuring(gone), Effect.forkIn(outer))
        }

        const lanesOf = Effect.fnUntraced(function* ({ lanes: [first, ...rest] }: Plan) {
          return [yield* laneFor(first), ...(yield* Effect.forEach(rest, laneFor))] as const
        })

        const plan = yield* initial
        let routes = plan.routes
        let lanes: Lanes = yield* lanesOf(plan)

        const routeFor = (model: string | undefined) => routes.find((candidate) => routeMatches(candidate, model))
        /** A route as it is in use, where it says what it said, of backends that go on as they are. */
        const keptRoute = (route: RouteEntry, fresh: Lanes): RouteEntry =>
          routes.find(
            (old) =>
              JSON.stringify(old) === JSON.stringify(route) &&
              route.backends.every((name) => laneNamed(lanes, name) === laneNamed(fresh, name))
          ) ?? route

        return Backends.of({
          lanes: () => lanes,
          changes: Stream.fromPubSub(ticks),
          routeFor,
          tierFor: (model) => {
            const route = routeFor(model)
            if (route === undefined) return (lane) => lane.tier
            return (lane) => {
              const at = route.backends.indexOf(lane.backend.name)
              return at < 0 ? undefined : at
            }
          },
          apply: (next) =>
            Effect.provideContext(
              Effect.uninterruptible(
                Effect.gen(function* () {
                  const fresh = yield* lanesOf(next)
                  const left = [...held].filter(([lane]) => !fresh.includes(lane))
                  routes = next.routes.map((route) => keptRoute(route, fresh))
                  lanes = fresh
                  for (const [lane, kept] of left) yield* retire(lane, kept)
                  yield* PubSub.publish(ticks, undefined)
                })
              ),
              context
            )
        })
      })
    ).pipe(Layer.provide(Breakers.layer))
}

const laneNamed = (lanes: Lanes, name: string) => lanes.find(({ backend }) => backend.name === name)
