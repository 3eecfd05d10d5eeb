import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { millisOf } from "./MonotonicClock.ts"

/** Calls back at moments of the monotonic clock, in milliseconds. */
export interface Timer {
  /** Calls at that moment, or at once if it has passed; what it returns calls it off. */
  readonly at: (moment: number, call: () => void) => () => void
}

/**
 * One sleeping fiber for any number of callbacks. Each request has a deadline and hardly any reaches it: a fiber of its
 * own for each would be forked and interrupted for nothing.
 */
export const makeTimer = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const woken = yield* Latch.make(false)
  /** In the order of their moments; in a list, for the reason that `Bag` has. */
  const calls: Array<Due> = []
  let sleepsUntil = Number.POSITIVE_INFINITY

  const callDue = () => {
    for (let [next] = calls; next !== undefined && next.moment <= millisOf(clock); [next] = calls) {
      calls.shift()
      next.call()
    }
  }

  const sleep = Effect.suspend(() => {
    woken.closeUnsafe()
    sleepsUntil = calls[0]?.moment ?? Number.POSITIVE_INFINITY
    if (sleepsUntil === Number.POSITIVE_INFINITY) return woken.await
    return Effect.raceFirst(Effect.sleep(Math.max(0, sleepsUntil - millisOf(clock))), woken.await)
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(sleep, Effect.sync(callDue))), { startImmediately: true })

  return {
    at: (moment, call) => {
      if (moment <= millisOf(clock)) {
        call()
        return () => {}
      }
      const due = { moment, call }
      calls.splice(placeAfter(calls, moment), 0, due)
      // A sleep that ends too early does no harm: only one that would end too late is cut short.
      if (moment < sleepsUntil) woken.openUnsafe()
      return () => {
        const place = placeOf(calls, due)
        if (place !== undefined) calls.splice(place, 1)
      }
    }
  } satisfies Timer
})

/** Who is called, and when. */
interface Due {
  readonly moment: number
  readonly call: () => void
}

/** Behind all that are due by then. Most come last: the search begins there. */
const placeAfter = (calls: ReadonlyArray<Due>, moment: number): number => {
  if (moment >= (calls.at(-1)?.moment ?? 0)) return calls.length
  let low = 0
  let high = calls.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((calls[middle]?.moment ?? 0) <= moment) low = middle + 1
    else high = middle
  }
  return low
}

/** Where one is that has not been called yet. */
const placeOf = (calls: ReadonlyArray<Due>, due: Due): number | undefined => {
  for (let place = placeAfter(calls, due.moment) - 1; calls[place]?.moment === due.moment; place--) {
    if (calls[place] === due) return place
  }
  return undefined
}
