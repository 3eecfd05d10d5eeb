import type { Answer } from "../domain/Completion.ts"
import type { CacheEntry } from "../domain/Configuration.ts"

/**
 * Answers that were given, by the key of what was asked. Bounded in number and in bytes: what was used longest ago goes
 * first. An answer is as old as its generation; being given again makes it no younger.
 *
 * Plain data without a clock: moments are monotonic milliseconds.
 */
export interface AnswerCache {
  readonly get: (key: string, now: number) => Answer | undefined
  readonly put: (key: string, answer: Answer, now: number) => void
  readonly size: () => { readonly entries: number; readonly bytes: number }
}

interface Kept {
  readonly answer: Answer
  readonly at: number
  readonly bytes: number
}

/** What an entry costs beside its text, roughly. */
const overheadBytes = 256

export const makeAnswerCache = (limits: CacheEntry): AnswerCache => {
  const maxAgeMillis = limits.max_age_seconds * 1000
  /** Least recently used first. */
  const kept = new Map<string, Kept>()
  let bytes = 0

  const drop = (key: string) => {
    bytes -= kept.get(key)?.bytes ?? 0
    kept.delete(key)
  }

  return {
    size: () => ({ entries: kept.size, bytes }),
    get: (key, now) => {
      const entry = kept.get(key)
      if (entry === undefined) return undefined
      if (now - entry.at >= maxAgeMillis) {
        drop(key)
        return undefined
      }
      kept.delete(key)
      kept.set(key, entry)
      return entry.answer
    },
    put: (key, answer, now) => {
      drop(key)
      const entry = { answer, at: now, bytes: sizeOf(key, answer) }
      // One that would push all others out, and then itself, stays out.
      if (entry.bytes > limits.max_bytes) return
      kept.set(key, entry)
      bytes += entry.bytes
      for (const [oldest] of kept) {
        if (kept.size <= limits.max_entries && bytes <= limits.max_bytes) return
        drop(oldest)
      }
    }
  }
}

/** Strings take up to two bytes a character. */
const sizeOf = (key: string, answer: Answer): number => 2 * (key.length + JSON.stringify(answer).length) + overheadBytes
