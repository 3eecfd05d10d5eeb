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
  /** Moments in order, and who is called at each. */
  const moments: Array<number> = []
  const calls = new Map<number, Set<() => void>>()
  let sleepsUntil = Number.POSITIVE_INFINITY

  const remove = (moment: number) => {
    calls.delete(moment)
    moments.splice(placeOf(moments, moment), 1)
  }

  const callDue = () => {
    for (let [next] = moments; next !== undefined && next <= millisOf(clock); [next] = moments) {
      const due = calls.get(next) ?? []
      remove(next)
      for (const call of due) call()
    }
  }

  const sleep = Effect.suspend(() => {
    woken.closeUnsafe()
    sleepsUntil = moments[0] ?? Number.POSITIVE_INFINITY
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
      let due = calls.get(moment)
      if (due === undefined) {
        due = new Set()
        calls.set(moment, due)
        moments.splice(placeOf(moments, moment), 0, moment)
      }
      due.add(call)
      // A sleep that ends too early does no harm: only one that would end too late is cut short.
      if (moment < sleepsUntil) woken.openUnsafe()
      return () => {
        due.delete(call)
        if (due.size === 0 && calls.get(moment) === due) remove(moment)
      }
    }
  } satisfies Timer
})

/** Where a moment stands, or belongs, among the ordered. Most are the latest: the search begins there. */
const placeOf = (moments: ReadonlyArray<number>, moment: number): number => {
  if (moments.length === 0 || moment > (moments.at(-1) ?? 0)) return moments.length
  let low = 0
  let high = moments.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((moments[middle] ?? 0) < moment) low = middle + 1
    else high = middle
  }
  return low
}
