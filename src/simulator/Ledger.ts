import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Journal } from "./Journal.ts"
import {
  type AbortRecord,
  empty,
  firstRecord,
  type GenerationRecord,
  keyLimit,
  type LedgerContent,
  type Opening,
  type Outcome
} from "./LedgerContent.ts"

/** The book of what came in and what became of it. */
export interface Ledger {
  readonly content: Effect.Effect<LedgerContent>
  /** Waits until the content is as wanted: for tests, in place of a sleep. */
  readonly until: (wanted: (content: LedgerContent) => boolean) => Effect.Effect<LedgerContent>
  readonly clear: Effect.Effect<void>
  readonly request: Effect.Effect<void>
  readonly open: (opening: Opening) => Effect.Effect<number>
  readonly started: (id: number) => Effect.Effect<void>
  /** The tokens of a stream that were written, all in all. */
  readonly wrote: (id: number, written: number) => Effect.Effect<void>
  readonly ended: (id: number, ending: Ending) => Effect.Effect<void>
  readonly abort: (record: Omit<AbortRecord, "at">) => Effect.Effect<void>
}

/** How a request ended. */
export interface Ending {
  readonly outcome: Exclude<Outcome, "waiting" | "running">
  readonly reason?: string
  readonly tokens?: number
}

/** A ledger that keeps the last `size` generations and as many aborts, and a journal of them all. */
export const makeLedger = Effect.fnUntraced(function* (size: number, journal: Journal) {
  const book = yield* SubscriptionRef.make(empty)
  let lastId = 0
  // Whatever was under way when the ledger was emptied is not in it any more, nor in its totals.
  let forgotten = 0

  const update = (change: (content: LedgerContent, now: number) => LedgerContent) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => SubscriptionRef.update(book, (content) => change(content, now)))

  const change = (id: number, fields: Partial<GenerationRecord>) => (generations: ReadonlyArray<GenerationRecord>) =>
    generations.map((record) => (record.id === id ? { ...record, ...fields } : record))

  const noted = (id: number) =>
    Effect.map(SubscriptionRef.get(book), ({ generations }) => {
      const record = generations.find((candidate) => candidate.id === id)
      if (record !== undefined) journal(record)
    })

  const ledger: Ledger = {
    content: SubscriptionRef.get(book),
    until: (wanted) =>
      SubscriptionRef.changes(book).pipe(
        Stream.filter(wanted),
        Stream.runHead,
        Effect.flatMap(Effect.fromOption),
        // The changes never end while the ledger is there.
        Effect.orDie
      ),
    clear: Effect.suspend(() => {
      forgotten = lastId
      return SubscriptionRef.set(book, empty)
    }),
    request: update(({ totals, ...rest }) => ({ ...rest, totals: { ...totals, requests: totals.requests + 1 } })),
    open: (opening) =>
      Effect.suspend(() => {
        const id = ++lastId
        return Effect.andThen(
          update(({ aborts, generations, totals }, now) => ({
            aborts,
            generations: [...generations, firstRecord(id, opening, now)].slice(-size),
            totals: { ...totals, generations: totals.generations + 1 }
          })),
          Effect.as(noted(id), id)
        )
      }),
    started: (id) =>
      update(({ generations, ...rest }, now) => ({
        ...rest,
        generations: change(id, { outcome: "running", startedAt: now })(generations)
      })).pipe(Effect.andThen(noted(id))),
    wrote: (id, written) =>
      update(({ generations, ...rest }) => ({ ...rest, generations: change(id, { written })(generations) })),
    ended: (id, { outcome, reason = null, tokens = 0 }) =>
      update((content, now) => {
        if (id <= forgotten) return content
        const { aborts, generations, totals } = content
        return {
          aborts,
          generations: change(id, { outcome, reason, tokens, endedAt: now })(generations),
          totals: {
            ...totals,
            tokens: totals.tokens + tokens,
            outcomes: { ...totals.outcomes, [outcome]: (totals.outcomes[outcome] ?? 0) + 1 }
          }
        }
      }).pipe(Effect.andThen(noted(id))),
    abort: (record) =>
      update(({ aborts, generations, totals }, now) => ({
        generations,
        aborts: [...aborts, { ...record, genkey: record.genkey?.slice(0, keyLimit) ?? null, at: now }].slice(-size),
        totals: { ...totals, aborts: totals.aborts + 1 }
      }))
  }
  return ledger
})
