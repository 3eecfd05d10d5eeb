import type { Endpoint, FaultStep } from "./FaultStep.ts"
import { draw } from "./Hash.ts"

/** A script that is being played: what is left of it, and how many draws were made for the shares. */
export interface FaultQueue {
  readonly steps: ReadonlyArray<FaultStep>
  readonly seed: number
  readonly draws: number
}

/** A script before its first request; the seed decides who gets the random shares. */
export const start = (steps: ReadonlyArray<FaultStep>, seed: number): FaultQueue => ({ steps, seed, draws: 0 })

/**
 * The step for the next request of an endpoint, if any, and the rest of the script.
 *
 * Steps written for that endpoint come first, then those for any; both in their order. Who gets none of these may draw
 * one of the shares: the shares lie side by side, so that `503@10%` and `reset@5%` together are a fault in 15 %.
 */
export const take = (queue: FaultQueue, endpoint: Endpoint): readonly [FaultStep | undefined, FaultQueue] => {
  const next =
    queue.steps.find((step) => step.endpoint === endpoint && step.repeat.mode !== "share") ??
    queue.steps.find((step) => step.endpoint === "any" && step.repeat.mode !== "share")
  return next === undefined ? drawShare(queue, endpoint) : [next, { ...queue, steps: useUp(queue.steps, next) }]
}

const useUp = (steps: ReadonlyArray<FaultStep>, used: FaultStep): ReadonlyArray<FaultStep> =>
  steps.flatMap((step) => {
    if (step !== used || step.repeat.mode !== "times") return [step]
    return step.repeat.times === 1 ? [] : [{ ...step, repeat: { mode: "times", times: step.repeat.times - 1 } }]
  })

const drawShare = (queue: FaultQueue, endpoint: Endpoint): readonly [FaultStep | undefined, FaultQueue] => {
  const shares = queue.steps.filter((step) => step.endpoint === endpoint || step.endpoint === "any")
  if (shares.length === 0) return [undefined, queue]
  let left = draw(queue.seed, queue.draws) * 100
  const drawn = shares.find((step) => {
    left -= step.repeat.mode === "share" ? step.repeat.percent : 0
    return left < 0
  })
  return [drawn, { ...queue, draws: queue.draws + 1 }]
}
