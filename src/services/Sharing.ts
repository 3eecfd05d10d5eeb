import { hash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Answer } from "../domain/Completion.ts"
import type { RouteEntry } from "../domain/Configuration.ts"
import { type InferenceFailure, Overloaded } from "../domain/Failure.ts"
import type { GenerationRequest } from "../domain/Generation.ts"
import { canonicalText, isDeterministic } from "../domain/RequestKey.ts"
import { type AnswerCache, makeAnswerCache } from "./AnswerCache.ts"
import { makeCoalesce } from "./Coalesce.ts"
import { CurrentRequest, ownerOf, type RequestRecord } from "./CurrentRequest.ts"
import { Deadline } from "./Deadline.ts"
import { millisOf } from "./MonotonicClock.ts"
import type { AnswerSource } from "./Recorder.ts"

/** What a route lets equal requests share. */
export type SharingRoute = Pick<RouteEntry, "coalesce" | "cache" | "share">

/** Whether anything of a route's answers is shared. */
export const isShared = ({ cache, coalesce }: SharingRoute): boolean => coalesce === true || cache !== undefined

/** A request whose answer may be another's too. */
export interface Shareable {
  readonly request: GenerationRequest
  readonly cacheControl?: CacheControl | undefined
  /** Asks the backends. */
  readonly run: Effect.Effect<Answer, InferenceFailure>
}

/**
 * What a request says of answers that aren't its own: with `no-cache` it takes none that was kept, with `no-store` it has
 * nothing to do with others.
 */
export type CacheControl = "no-cache" | "no-store"

/**
 * What equal requests of a route have in common, where it is switched on: answers that were given, and a generation under
 * way. Equal are requests of the same client, unless the route shares between all, which are deterministic and ask the
 * backend for the same.
 */
export const makeSharing = Effect.fnUntraced(function* ({ longestMillis, mostJoined, told }: SharingOptions) {
  const coalesce = yield* makeCoalesce<Answer, InferenceFailure>()
  const bounded = makeBound(mostJoined)
  const stateOf = makeStates()

  return (route: SharingRoute, { cacheControl, request, run }: Shareable): Effect.Effect<Answer, InferenceFailure> =>
    Effect.withFiber((fiber) => {
      const record = fiber.getRef(CurrentRequest)
      const now = () => millisOf(fiber.getRef(Clock.Clock))
      note(record, "miss")
      if (cacheControl === "no-store" || !isDeterministic(request)) {
        told("bypassed")
        return run
      }
      const { cache, number } = stateOf(route)
      const key = keyOf(request, route.share === "all" ? undefined : record)
      const kept = cacheControl === "no-cache" ? undefined : cache?.get(key, now())
      if (kept !== undefined) {
        note(record, "hit")
        told("hit")
        return Effect.succeed(kept)
      }
      const keeping = cache === undefined ? run : Effect.tap(run, (answer) => keep(cache, key, answer, now))
      if (route.coalesce !== true) {
        told("miss")
        return keeping
      }
      // One that waits with less priority must not hold up one with more.
      const flight = `${number} ${record?.priority ?? "normal"} ${key}`
      // The run is everybody's: it may take what the longest budget allows, and each who waits has his own.
      const patient = Effect.provideService(keeping, Deadline, now() + longestMillis)
      return coalesce(flight, patient, (answer, joined) => {
        told(joined ? "joined" : "miss")
        if (!joined) return timed(answer, record, joined, now)
        note(record, "joined")
        return bounded(timed(answer, record, joined, now))
      })
    })
})

export interface SharingOptions {
  /** The longest time budget that a request may have. */
  readonly longestMillis: number
  /** How many may wait at once for generations that others began: they stand in no line that would bound them. */
  readonly mostJoined: number
  /** Where each answer comes from, for the metrics. */
  readonly told: (source: AnswerSource) => void
}

/** So many at once, and a no for the rest. */
const makeBound = (most: number) => {
  let count = 0
  const enter = Effect.suspend(() => {
    if (count >= most) return Effect.fail(new Overloaded({ retryAfterMillis: 1000 }))
    count += 1
    return Effect.void
  })
  const leave = Effect.sync(() => {
    count -= 1
  })
  return <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      enter,
      () => self,
      () => leave
    )
}

/** What a route has, by the route itself: one that is another now has nothing in common with what it was. */
const makeStates = () => {
  const states = new WeakMap<SharingRoute, { readonly number: number; readonly cache: AnswerCache | undefined }>()
  let last = 0
  return (route: SharingRoute) => {
    const known = states.get(route)
    if (known !== undefined) return known
    last += 1
    const state = { number: last, cache: route.cache === undefined ? undefined : makeAnswerCache(route.cache) }
    states.set(route, state)
    return state
  }
}

/** An answer whose backend didn't say that it is complete is not worth keeping. */
const keep = (cache: AnswerCache, key: string, answer: Answer, now: () => number) =>
  Effect.sync(() => {
    if (answer.finishReason !== undefined) cache.put(key, answer, now())
  })

/** What is noted while it runs is noted for who began it, and only to its end: the rest of the wait is added here. */
const timed = (
  answer: Effect.Effect<Answer, InferenceFailure>,
  record: RequestRecord | undefined,
  joined: boolean,
  now: () => number
) => {
  if (record === undefined) return answer
  const start = now()
  const before = spent(record)
  return Effect.onExit(answer, (exit) => {
    if (joined || Exit.hasInterrupts(exit)) {
      record.backendMillis += Math.max(0, now() - start - (spent(record) - before))
    }
    return Effect.void
  })
}

const note = (record: RequestRecord | undefined, cache: NonNullable<RequestRecord["cache"]>) => {
  if (record !== undefined) record.cache = cache
}

const spent = (record: RequestRecord): number => record.queueMillis + record.backendMillis

/** Long prompts make no long keys; whose it is is part of it, where it must not be another's. */
const keyOf = (request: GenerationRequest, owner: RequestRecord | undefined): string =>
  hash("sha256", `${owner === undefined ? "" : ownerOf(owner)}\n${canonicalText(request)}`)
