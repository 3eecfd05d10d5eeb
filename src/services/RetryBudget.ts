import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { monotonicMillis } from "./MonotonicClock.ts"
import { Settings } from "./Settings.ts"
import { Fellows } from "./workers/Fellows.ts"

/**
 * What all requests together may spend on retries: a share of recent requests and a floor for quiet times, so that a
 * struggling backend isn't hit harder, as in Finagle's RetryBudget. The balance holds ten seconds' worth of the floor
 * and the share of a hundred requests at most.
 */
export class RetryBudget extends Context.Service<
  RetryBudget,
  {
    /** A request came in at that moment, in monotonic milliseconds: its share is added. */
    readonly deposit: (now: number) => void
    /** True, and one retry is spent, if the budget has one left. */
    readonly withdraw: Effect.Effect<boolean>
  }
>()("ai-ticket/services/RetryBudget") {
  /** `percent` of a retry per hundred requests, and `perSecond` retries whatever the traffic; one share of `shares`. */
  static readonly make = (options: {
    readonly percent: number
    readonly perSecond: number
    readonly shares?: number
  }) =>
    Effect.gen(function* () {
      const { percent, shares = 1 } = options
      const perSecond = options.perSecond / shares
      const whole = options.perSecond * reserveSeconds + percent
      // A share holds one retry at least, or it would never come to any.
      const capacity = Math.max(whole / shares, Math.min(whole, 1))
      let balance = capacity
      let updatedAt = yield* monotonicMillis
      const refill = (now: number) => {
        balance = Math.min(capacity, balance + ((now - updatedAt) / 1000) * perSecond)
        updatedAt = now
      }
      return RetryBudget.of({
        deposit: (now) => {
          refill(now)
          balance = Math.min(capacity, balance + percent / 100)
        },
        withdraw: Effect.map(monotonicMillis, (now) => {
          refill(now)
          if (balance < 1) return false
          balance -= 1
          return true
        })
      })
    })

  static readonly layer = Layer.effect(
    RetryBudget,
    Effect.gen(function* () {
      const { retryBudgetPerSecond: perSecond, retryBudgetPercent: percent } = yield* Settings
      const { workers: shares = 1 } = (yield* Fellows) ?? {}
      return yield* RetryBudget.make({ percent, perSecond, shares })
    })
  )
}

const reserveSeconds = 10
