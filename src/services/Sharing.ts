import { hash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Answer } from "../domain/Completion.ts"
import type { RouteEntry } from "../domain/Configuration.ts"
import type { InferenceFailure } from "../domain/Failure.ts"
import type { GenerationRequest } from "../domain/Generation.ts"
import { canonicalText, isDeterministic } from "../domain/RequestKey.ts"
import { makeCoalesce } from "./Coalesce.ts"
import { CurrentRequest, ownerOf, type RequestRecord } from "./CurrentRequest.ts"
import { Deadline } from "./Deadline.ts"
import { millisOf } from "./MonotonicClock.ts"

/** What a route lets equal requests share. */
export type SharingRoute = Pick<RouteEntry, "coalesce" | "share">

/** Whether anything of a route's answers is shared. */
export const isShared = ({ coalesce }: SharingRoute): boolean => coalesce === true

/** A request whose answer may be another's too. */
export interface Shareable {
  readonly request: GenerationRequest
  /** `no-store`: this one has nothing to do with others. */
  readonly cacheControl?: CacheControl | undefined
  /** Asks the backends. */
  readonly run: Effect.Effect<Answer, InferenceFailure>
}

/** What a request says of answers that aren't its own. */
export type CacheControl = "no-store"

/**
 * What equal requests of a route have in common, where it is switched on: a generation under way. Equal are requests of
 * the same client, unless the route shares between all, which are deterministic and ask the backend for the same.
 */
export const makeSharing = Effect.fnUntraced(function* (longestMillis: number) {
  const coalesce = yield* makeCoalesce<Answer, InferenceFailure>()
  /** A route that is another now has nothing in common with what it was. */
  const numbers = new WeakMap<SharingRoute, number>()
  let last = 0
  const numberOf = (route: SharingRoute): number => {
    const known = numbers.get(route)
    if (known !== undefined) return known
    last += 1
    numbers.set(route, last)
    return last
  }

  return (route: SharingRoute, { cacheControl, request, run }: Shareable): Effect.Effect<Answer, InferenceFailure> =>
    Effect.withFiber((fiber) => {
      const record = fiber.getRef(CurrentRequest)
      const now = () => millisOf(fiber.getRef(Clock.Clock))
      note(record, "miss")
      if (cacheControl === "no-store" || !isDeterministic(request)) return run
      const key = keyOf(request, route.share === "all" ? undefined : record)
      // One that waits with less priority must not hold up one with more.
      const flight = `${numberOf(route)} ${record?.priority ?? "normal"} ${key}`
      // The run is everybody's: it may take what the longest budget allows, and each who waits has his own.
      const patient = Effect.provideService(run, Deadline, now() + longestMillis)
      return coalesce(flight, patient, (answer, joined) => {
        if (joined) note(record, "joined")
        const start = now()
        const before = spent(record)
        return Effect.onExit(answer, (exit) => {
          // What is noted while it runs is noted for who began it, and only to the end.
          if (record !== undefined && (joined || Exit.hasInterrupts(exit))) {
            record.backendMillis += Math.max(0, now() - start - (spent(record) - before))
          }
          return Effect.void
        })
      })
    })
})

const note = (record: RequestRecord | undefined, cache: NonNullable<RequestRecord["cache"]>) => {
  if (record !== undefined) record.cache = cache
}

const spent = (record: RequestRecord | undefined): number =>
  record === undefined ? 0 : record.queueMillis + record.backendMillis

/** Long prompts make no long keys; whose it is is part of it, where it must not be another's. */
const keyOf = (request: GenerationRequest, owner: RequestRecord | undefined): string =>
  hash("sha256", `${owner === undefined ? "" : ownerOf(owner)}\n${canonicalText(request)}`)
