import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { limitKey } from "../domain/ClientAddress.ts"
import { RateLimited } from "../domain/Failure.ts"
import type { Caller } from "./Auth.ts"
import { layerBoundedStore } from "./BoundedRateLimitStore.ts"
import { Settings } from "./Settings.ts"
import { Fellows } from "./workers/Fellows.ts"
import { layerRemoteStore } from "./workers/RemoteStore.ts"

/** Clients remembered at once: some 20 MB of counters. */
const maxClients = 100_000

/** The counters of a machine: in its one process, or with the keeper of its workers. */
export const layerCounters = layerBoundedStore(maxClients)

const layerStore = Layer.unwrap(
  Effect.map(Fellows, (fellows) => (fellows === undefined ? layerCounters : layerRemoteStore(fellows)))
)

/** What is left of a client's limit. */
export interface Quota {
  readonly limit: number
  readonly remaining: number
  readonly resetSeconds: number
  readonly windowSeconds: number
}

/** Requests per client and window. Requests that are refused for their token count too. */
export class RateLimit extends Context.Service<
  RateLimit,
  {
    /** Counts a request; no quota where no limit is set. `caller` is undefined when the token was refused. */
    readonly take: (client: {
      readonly address: string
      readonly caller: Pick<Caller, "tokenId"> | undefined
    }) => Effect.Effect<Quota | undefined, RateLimited>
  }
>()("ai-ticket/services/RateLimit") {
  static readonly layer = Layer.effect(
    RateLimit,
    Effect.gen(function* () {
      const { rateLimitBy, rateLimitRequests: limit, rateLimitWindowSeconds: windowSeconds } = yield* Settings
      const limiter = yield* RateLimiter.RateLimiter
      if (limit === 0) return RateLimit.of({ take: () => Effect.succeed(undefined) })

      const keyOf = (address: string, caller: Pick<Caller, "tokenId"> | undefined) =>
        rateLimitBy === "token" && caller?.tokenId !== undefined ? `token ${caller.tokenId}` : limitKey(address)
      const window = Duration.seconds(windowSeconds)

      return RateLimit.of({
        take: ({ address, caller }) =>
          limiter.consume({ key: keyOf(address, caller), limit, window, algorithm: "fixed-window" }).pipe(
            Effect.map(({ remaining, resetAfter }) => ({
              limit,
              remaining,
              resetSeconds: Math.ceil(Duration.toSeconds(resetAfter)),
              windowSeconds
            })),
            Effect.catchReason(
              "RateLimiterError",
              "RateLimitExceeded",
              ({ retryAfter }) =>
                Effect.fail(new RateLimited({ retryAfterMillis: Duration.toMillis(retryAfter), limit, windowSeconds })),
              Effect.die
            )
          )
      })
    })
  ).pipe(Layer.provide(RateLimiter.layer.pipe(Layer.provide(layerStore))))
}
