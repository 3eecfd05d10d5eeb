import type { Told } from "./Reply.ts"
import type { EventOutcome } from "./ResultLine.ts"

/** What a batch has come to so far. */
export interface Tally {
  /** Events that got their line in this run. */
  readonly done: number
  readonly ok: number
  /** By code. */
  readonly failed: ReadonlyMap<string, number>
  /** Events that had their line before, and those of them that had failed. */
  readonly skipped: number
  readonly skippedFailed: number
  readonly tokens: { readonly prompt: number; readonly completion: number }
}

/** Keeps count of a batch. */
export const makeCounter = () => {
  const failed = new Map<string, number>()
  const tokens = { prompt: 0, completion: 0 }
  const tally = { done: 0, ok: 0, failed, skipped: 0, skippedFailed: 0, tokens }
  return {
    tally: (): Tally => tally,
    skip: (outcome: EventOutcome) => {
      tally.skipped += 1
      if (outcome === "failed") tally.skippedFailed += 1
    },
    count: (told: Told) => {
      tally.done += 1
      tokens.prompt += told.tokens.prompt
      tokens.completion += told.tokens.completion
      if (told.code === "ok") tally.ok += 1
      else failed.set(told.code, (failed.get(told.code) ?? 0) + 1)
    }
  }
}

/** Events that failed in this run. */
export const failedIn = ({ done, ok }: Tally): number => done - ok
