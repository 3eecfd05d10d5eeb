import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { monotonicMillis } from "./MonotonicClock.ts"

interface Counter {
  count: number
  expiresAt: number
}

/** Expired counters looked at per request: two, so that they go faster than new ones can come. */
const sweepPerRequest = 2

/**
 * Effect's in-memory store for fixed windows, but one that forgets: Effect's keeps every key it ever saw. Expired
 * counters go as requests come, and of more than `maxKeys` clients the one first seen is forgotten, so that a flood of
 * addresses costs a bounded amount of memory and nobody's limit but the oldest's.
 */
export const layerBoundedStore = (maxKeys: number) =>
  Layer.effect(
    RateLimiter.RateLimiterStore,
    Effect.map(RateLimiter.RateLimiterStore, (memory) => {
      const counters = new Map<string, Counter>()
      let sweep = counters.entries()

      const forgetExpired = (now: number) => {
        for (let looked = 0; looked < sweepPerRequest; looked++) {
          const next = sweep.next()
          if (next.done === true) {
            sweep = counters.entries()
            return
          }
          const [key, counter] = next.value
          if (counter.expiresAt <= now) counters.delete(key)
        }
      }

      const counterFor = (key: string, now: number): Counter => {
        const known = counters.get(key)
        if (known !== undefined && known.expiresAt > now) return known
        if (known !== undefined) return Object.assign(known, { count: 0, expiresAt: now })
        const oldest = counters.size >= maxKeys ? counters.keys().next().value : undefined
        if (oldest !== undefined) counters.delete(oldest)
        const fresh = { count: 0, expiresAt: now }
        counters.set(key, fresh)
        return fresh
      }

      return RateLimiter.RateLimiterStore.of({
        ...memory,
        fixedWindow: ({ key, limit, refillRate, tokens }) =>
          Effect.map(monotonicMillis, (now) => {
            const counter = counterFor(key, now)
            const count = counter.count + tokens
            if (limit === undefined || count <= limit) {
              counter.count = count
              counter.expiresAt += Duration.toMillis(refillRate) * tokens
            }
            forgetExpired(now)
            return [count, counter.expiresAt - now] as const
          })
      })
    })
  ).pipe(Layer.provide(RateLimiter.layerStoreMemory))
