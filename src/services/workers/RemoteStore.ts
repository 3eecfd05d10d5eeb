import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { Fellows } from "./Fellows.ts"

/** The fixed windows that all workers share: their counters are with the keeper. */
export const layerRemoteStore = ({ keeper }: Fellows) =>
  Layer.effect(
    RateLimiter.RateLimiterStore,
    Effect.map(RateLimiter.RateLimiterStore, (memory) =>
      RateLimiter.RateLimiterStore.of({
        ...memory,
        fixedWindow: ({ key, limit, refillRate, tokens }) =>
          Effect.orDie(keeper.ask("limit", { key, tokens, limit, refillMillis: Duration.toMillis(refillRate) }))
      })
    )
  ).pipe(Layer.provide(RateLimiter.layerStoreMemory))
